"""`ravine report`."""

import pytest

import records_fixture
from ravine.cli.main import main


@pytest.fixture
def path(tmp_path):
    records_fixture.write(tmp_path / "race.ravine", optimizers=("sgd", "adam"), seeds=2)
    return tmp_path / "race.ravine"


def test_a_page_is_written_beside_the_record_or_where_asked(path, tmp_path, capsys):
    for arguments, target in (([], tmp_path / "race.html"), (["-o", str(tmp_path / "x.html")], tmp_path / "x.html")):
        assert main(["report", str(path), *arguments]) == 0
        assert target.read_text(encoding="utf-8").startswith("<!")
        assert capsys.readouterr().out == f"report  {target}\n"


def test_a_file_is_replaced_only_with_force(path, tmp_path, capsys):
    target = tmp_path / "race.html"
    target.write_text("mine")
    assert main(["report", str(path)]) == 2
    assert "exists; give --force to replace it, or give another name with -o." in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main(["report", str(path), "--force"]) == 0
    assert target.read_text(encoding="utf-8") != "mine"


def test_the_page_of_a_built_in_task_holds_its_script_and_that_of_a_file_runs_nothing(tmp_path, capsys):
    import ravine

    (tmp_path / "mine.py").write_text("from ravine.tasks import create\nprint('ran')\ntask = create('line')\n")
    for task, words, absent in (
        ("line", "def main():", "ravine.optim.create"),
        (str(tmp_path / "mine.py"), "ravine.optim.create", "def main():"),
    ):
        out = tmp_path / f"{len(task)}.ravine"
        ravine.race(task, optimizers=["sgd"], steps=2, seeds=1, lrs=[0.1], out=out)
        capsys.readouterr()
        assert main(["report", str(out)]) == 0
        assert "ran" not in capsys.readouterr().err
        text = out.with_suffix(".html").read_text(encoding="utf-8")
        assert words in text
        assert absent not in text


def test_a_file_that_is_no_record_is_refused(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none.ravine")]) == 2
    assert "does not exist" in capsys.readouterr().err
