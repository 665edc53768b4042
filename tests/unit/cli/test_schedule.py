"""`ravine schedule`: table, CSV, JSON, picture, and bad input in one sentence."""

import csv
import io
import json

import pytest

from ravine.cli.main import main
from ravine.report._styles import theme_named
from ravine.schedules import Cosine, create


def out(capsys, *arguments):
    assert main(["schedule", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    assert main(["schedule", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_table_of_about_ten_steps(capsys):
    text = out(capsys, "cosine", "--warmup", "50", "--horizon", "1000")
    assert text.startswith("cosine, warmup=50: multiplier floor + (1 - floor) (1 + cos(pi x)) / 2\n")
    rows = [line.split() for line in text.splitlines() if line.split() and line.split()[0].isdigit()]
    assert [row[0] for row in rows] == ["0", "49", "50", *(str(step) for step in range(100, 1000, 100)), "999"]
    schedule = Cosine(horizon=1000).warmup(50)
    assert [float(row[1]) for row in rows] == pytest.approx([schedule(int(row[0])) for row in rows], rel=1e-5)


def test_a_peak_rate_adds_a_column(capsys):
    text = out(capsys, "linear", "--lr", "3e-4", "--every", "500", "--set", "floor=0.5")
    assert [line.split() for line in text.splitlines()[-4:] if line] == [
        ["0", "1", "0.0003"],
        ["500", "0.75", "0.000225"],
        ["999", "0.5005", "0.00015015"],
    ]


def test_csv_has_every_step_in_full(capsys):
    rows = list(csv.DictReader(io.StringIO(out(capsys, "wsd", "--set", "fall=1-sqrt", "--horizon", "30", "--csv", "--lr", "2"))))
    schedule = create("wsd", fall="1-sqrt", horizon=30)
    assert [int(row["step"]) for row in rows] == list(range(30))
    assert [float(row["multiplier"]) for row in rows] == [schedule(step) for step in range(30)]
    assert [float(row["lr"]) for row in rows] == [2 * schedule(step) for step in range(30)]
    assert out(capsys, "linear", "--csv", "--every", "500") == "step,multiplier\n0,1.0\n500,0.5\n999,0.0010000000000000009\n"


def test_json_is_plain(capsys):
    found = json.loads(out(capsys, "cosine", "--warmup", "0.1", "--horizon", "20", "--json"))
    assert (found["schema"], found["horizon"], found["lr"], found["rates"]) == (1, 20, None, None)
    assert found["schedule"] == {"name": "cosine", "formula": Cosine.formula, "settings": {"horizon": 20, "warmup": 0.1}}
    assert found["multipliers"] == [Cosine(horizon=20).warmup(2)(step) for step in found["steps"]]
    assert json.loads(out(capsys, "linear", "--horizon", "2", "--lr", "0.5", "--json"))["rates"] == [0.5, 0.25]


def test_a_picture_lies_where_it_is_said_to(capsys, tmp_path):
    for ending in ("png", "svg"):
        target = tmp_path / f"s.{ending}"
        assert out(capsys, "cosine", "--plot", str(target)).endswith(f"figure  {target}\n")
        assert target.stat().st_size > 1000
    assert "exists; give --force to replace it" in refused(capsys, "cosine", "--plot", str(target))
    out(capsys, "cosine", "--plot", str(target), "--force")
    json.loads(out(capsys, "cosine", "--plot", str(target), "--force", "--json"))


def test_a_picture_may_be_dark(capsys, tmp_path):
    for name, options in (("light", ()), ("dark", ("--dark",))):
        out(capsys, "cosine", "--plot", str(tmp_path / f"{name}.svg"), *options)
    paper = theme_named("dark").paper
    assert [paper in (tmp_path / f"{name}.svg").read_text() for name in ("light", "dark")] == [False, True]


def test_settings_are_read_as_what_they_look_like(capsys):
    def settings(*given):
        return json.loads(out(capsys, *given, "--json", "--every", "900"))["schedule"]["settings"]

    assert settings("wsd", "--set", "decay=0.5", "--set", "fall=cosine") == {"horizon": 1000, "decay": 0.5, "fall": "cosine"}
    given = ("--set", "milestones=300,600", "--set", "values=1,0.5,0", "--set", "interpolate=true")
    expected = {"horizon": 1000, "milestones": [300, 600], "values": [1.0, 0.5, 0.0], "interpolate": True}
    assert settings("piecewise", *given) == expected
    assert settings("multistep", "--set", "milestones=300")["milestones"] == [300], "one number is a list of one"
    given = ("--warmup", "9", "--set", "warmup_kind=constant", "--set", "warmup_start=0.5")
    assert settings("linear", *given) == {"horizon": 1000, "warmup": 9, "warmup_kind": "constant", "warmup_start": 0.5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cosin"], "no schedule is called 'cosin'; did you mean 'cosine'"),
        (["plateau"], "'plateau' looks at a metric and is no function of the step"),
        (["cosine", "--horizon", "0"], "--horizon=0: must be a whole number, at least 1 and at most 10000000. In Python"),
        (["cosine", "--horizon", "99999999"], "--horizon=99999999: must be a whole number"),
        (["cosine", "--horizon", "ten"], "'ten' is not a whole number"),
        (["cosine", "--warmup", "1000"], "warmup=1000 is 1000 steps of a horizon of 1000: must be shorter"),
        (["cosine", "--warmup", "soon"], "--warmup soon: must be a whole number of steps or a share below 1"),
        (["cosine", "--warmup", "-3"], "warmup=-3: must be a whole number, at least 0"),
        (["cosine", "--set", "flor=1"], "no setting of 'cosine' is called 'flor'; did you mean 'floor'?"),
        (["cosine", "--set", "floor"], "--set floor: must be KEY=VALUE"),
        (["cosine", "--set", "floor=low"], "floor='low' for 'cosine': must be a number"),
        (["cosine", "--set", "floor=0", "--set", "floor=1"], "--set floor was given twice"),
        (["cosine", "--set", "horizon=5"], "--set horizon=5: this has an option of its own. Give --horizon 5."),
        (["cosine", "--lr", "0"], "--lr=0.0: must be above 0"),
        (["cosine", "--every", "0"], "--every=0: must be a whole number, at least 1"),
        (["cosine", "--csv", "--json"], "--csv and --json exclude each other"),
        (["cosine", "--force"], "--force has no effect without --plot"),
        (["cosine", "--dark"], "--dark has no effect without --plot"),
        (["cosine", "--plot", "s.gif"], "s.gif: a figure's name must end in .pdf, .png, .svg"),
        (["cosine", "--plot", "nowhere/s.png"], "the folder nowhere does not exist"),
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []
