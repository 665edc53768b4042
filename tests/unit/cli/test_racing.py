"""One race from the command line."""

import pytest

from ravine.base.errors import InputError
from ravine.cli import _files, _racing


class Outcome:
    """Stands in for a result."""

    def __init__(self):
        self.drawn = []

    def summary(self):
        return {"schema": 1}

    def table(self):
        return "the table"

    def figure(self, path, *, theme):
        self.drawn.append(path.name if theme == "light" else f"{theme} {path.name}")

    def report(self, path):
        self.drawn.append(path.name)


@pytest.fixture
def files(tmp_path):
    return _files.Outputs(tmp_path / "a.ravine", tmp_path / "a.png", tmp_path / "a.html")


def test_other_rows_of_a_step_replace_the_task_s_and_keep_its_name():
    task = _racing.load_task("line:points=50", 7)
    assert (task.batch_size, task.reference) == (7, "line:points=50")
    assert _racing.load_task("line", None).batch_size != 7
    with pytest.raises(InputError, match="--batch-size"):
        _racing.load_task("line", 0)


def test_the_table_comes_before_the_places(files, capsys):
    outcome = Outcome()
    _racing.show(outcome, files, resumed=False, as_json=False, quiet=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "the table"
    assert [line.split()[0] for line in lines[1:]] == ["record", "figure", "report"]
    assert outcome.drawn == ["a.png", "a.html"]


def test_a_figure_is_drawn_in_the_theme(files):
    outcome = Outcome()
    _racing.show(outcome, files, resumed=False, as_json=False, quiet=True, theme="dark")
    assert outcome.drawn == ["dark a.png", "a.html"]


def test_places_are_messages_beside_json_and_nothing_is_drawn_twice(files, capsys):
    outcome = Outcome()
    files.figure.write_bytes(b"")
    _racing.show(outcome, files, resumed=True, as_json=True, quiet=False)
    captured = capsys.readouterr()
    assert captured.out == '{\n  "schema": 1\n}\n'
    assert captured.err.startswith("record  ")
    assert outcome.drawn == ["a.html"]
    _racing.draw(outcome, files, resumed=True, is_message=True, quiet=True)
    assert capsys.readouterr().err == ""
