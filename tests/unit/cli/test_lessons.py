import json

import pytest

from ravine.cli.main import main
from ravine.lessons import names


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_list_has_every_lesson_with_its_claim(capsys):
    assert main(["lessons"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line and not line.startswith((" ", "Run one"))] == list(names())
    assert lines[1].startswith("    At one shared rate SGD is the slowest")


def test_a_lesson_is_printed_whole(capsys, tmp_path):
    assert main(["lessons", "run", "elongated-bowl", "--quick"]) == 0
    out, err = capsys.readouterr()
    for word in ("claim", "source", "set-up", "criterion", "measured", "Supported: every one of its 3 parts holds."):
        assert word in out
    assert err == ""
    assert list(tmp_path.iterdir()) == []


def test_the_figure_goes_where_it_was_asked_for(capsys, tmp_path):
    command = ["lessons", "run", "loss-shapes", "--json", "-o", "found"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["form"] == "full"
    assert err == "figure  found/loss-shapes.png\n"
    assert (tmp_path / "found" / "loss-shapes.png").stat().st_size > 1000
    assert main(command) == 2
    assert "exists; give --force to replace it, or give another folder with -o." in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


def test_how_long_the_full_form_takes_is_told(capsys, monkeypatch):
    monkeypatch.setattr("ravine.lessons._running.carry_out", lambda lesson, quick: pytest.fail("enough seen"))
    with pytest.raises(pytest.fail.Exception):
        main(["lessons", "run", "momentum-valley"])
    assert capsys.readouterr().err == "the full form takes about 5 min on two cores; --quick takes seconds\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "no lesson is called 'nonsense'; known: adam-l2-is-not-adamw"),
        (["los-shapes"], "did you mean 'loss-shapes'"),
        ([], "no lesson was named: give one, such as best-rate-quadratic, or --all."),
        (["saddle", "--all"], "saddle and --all exclude each other: leave one out."),
        (["saddle", "--quick", "--full"], "--quick and --full exclude each other"),
        (["saddle", "--force"], "--force has no effect without -o"),
        (["saddle", "-o", "none/there"], "--out none/there: the folder none does not exist; create it"),
        (["saddle", "-o", "file"], "--out file is a file: must be a folder."),
        (["saddle", "-o", "/proc/self"], "--out /proc/self: nothing can be written there"),
    ],
    ids=["unknown", "misspelt", "none", "both", "forms", "force", "no parent", "file", "unwritable"],
)
def test_bad_input_is_one_sentence_before_any_work(arguments, said, capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("ravine.lessons._running.carry_out", lambda *_, **__: pytest.fail("it ran"))
    assert main(["lessons", "run", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert out == ""


def test_missing_mnist_is_told(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    assert main(["lessons", "run", "one-line-change"]) == 2
    assert "the full form of 'one-line-change' needs mnist: no data for 'mnist'" in capsys.readouterr().err


def test_all_is_one_page(capsys, monkeypatch, tmp_path):
    chosen = ("loss-shapes", "elongated-bowl")
    monkeypatch.setattr("ravine.lessons.names", lambda: chosen)
    monkeypatch.setattr("ravine.lessons._running.os.cpu_count", lambda: 1)
    assert main(["lessons", "run", "--all"]) == 0
    out, err = capsys.readouterr()
    assert out == "loss-shapes             supported (quick form)\nelongated-bowl          supported (quick form)\npage  lessons.html\n"
    assert err == " 1 of 2  loss-shapes\n 2 of 2  elongated-bowl\n"
    assert (tmp_path / "lessons.html").read_text().count("<svg") == 2
    assert main(["lessons", "run", "--all", "--json", "--force"]) == 0
    assert [one["lesson"] for one in json.loads(capsys.readouterr().out)["lessons"]] == list(chosen)
    assert main(["lessons", "run", "--all"]) == 2
    assert "lessons.html exists; give --force to replace it" in capsys.readouterr().err


@pytest.mark.slow
def test_all_of_them(capsys, tmp_path):
    """The whole page in its quick form, as people run it."""
    assert main(["lessons", "run", "--all", "-o", "page"]) == 0
    text = (tmp_path / "page" / "lessons.html").read_text()
    assert all(f'<h2 id="{name}-title">' in text for name in names())
