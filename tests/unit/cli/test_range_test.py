"""`ravine range-test`: table, JSON, picture, and bad input in one sentence."""

import json

import numpy as np
import pytest

import ravine
from ravine.cli.main import main
from ravine.records.sweeps import RangeTest
from ravine.report._styles import theme_named


@pytest.fixture
def ran(monkeypatch):
    seen = {}

    def range_test(task, **options):
        seen.update(task=task, **options)
        rates = np.geomspace(1e-5, 1.0, 60)
        losses = np.ones((60, 2)) / (1 + rates[:, None])
        return RangeTest(task, options["optimizer"], rates, losses, losses, (1e-3, 1e-3), (0.5, None))

    monkeypatch.setattr(ravine, "range_test", range_test)
    return seen


def test_the_bounds_and_what_they_are_not(ran, capsys):
    assert main(["range-test", "digits", "--optimizer", "sgd", "--seeds", "5", "--from", "1e-5", "--to", "1"]) == 0
    assert (ran["optimizer"], ran["seeds"], ran["from_lr"], ran["to_lr"]) == ("sgd", 5, 1e-5, 1.0)
    out = capsys.readouterr().out
    assert "first descent" in out
    assert "does not pick it" in out


@pytest.mark.usefixtures("ran")
def test_json_alone_stands_on_the_standard_output(capsys, tmp_path):
    plot = tmp_path / "r.png"
    assert main(["range-test", "digits", "--json", "--plot", str(plot)]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["divergence_lr"] == {"mean": None, "low": 0.5, "high": 0.5, "seeds": [0.5, None]}
    assert captured.err == f"figure  {plot}\n"
    assert plot.is_file()
    assert main(["range-test", "digits", "--plot", str(plot)]) == 2


def test_a_picture_may_be_dark(ran, tmp_path):
    for name, options in (("light", ()), ("dark", ("--dark",))):
        assert main(["range-test", "digits", "--plot", str(tmp_path / f"{name}.svg"), *options]) == 0
    paper = theme_named("dark").paper
    assert [paper in (tmp_path / f"{name}.svg").read_text() for name in ("light", "dark")] == [False, True]
    ran.clear()
    assert main(["range-test", "digits", "--plot", "r.gif"]) == 2
    assert not ran, "refused before anything is trained"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["line", "--force"], "--force has no effect without --plot"),
        (["line", "--dark"], "--dark has no effect without --plot"),
        (["line", "--plot", "r.gif"], "r.gif: a figure's name must end in .pdf, .png, .svg; give such a name."),
        (["line", "--seeds", "0"], "seeds=0: must be a whole number, at least 1"),
        (["line", "--from", "1", "--to", "2"], "must rise by a decade or more"),
        (["lin"], "no task is called 'lin'"),
    ],
)
def test_bad_input_is_one_sentence_and_status_two(arguments, text, capsys):
    assert main(["range-test", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert text in captured.err
