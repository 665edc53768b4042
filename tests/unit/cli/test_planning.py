"""`ravine race --plan`: a table or JSON, and nothing left behind."""

import json

import pytest

from ravine.base.errors import InputError
from ravine.cli._planning import check_plan, lines
from ravine.cli.main import main
from ravine.fleet import Choice, Fleet
from ravine.race.outlook import Outlook, StageOutlook

STAGES = (StageOutlook("tune", 72, 30_000, 7200.0, (6, 8)),)
FOUND = Outlook("digits", 1000, "native", "by hand", (2, 4), 50_000_000, STAGES, (3700.0, 90.0))


def test_the_table_says_what_each_number_of_machines_takes():
    text = lines(FOUND)
    assert text[0] == "digits: 1,000 steps a lane, native (by hand)"
    assert text[3].split() == ["tune", "72", "6", "30,000", "2.0", "h"]
    assert text[6].split() == ["1", "2", "50", "MB", "x", "2", "6", "62", "min"]
    assert text[7].split() == ["2", "4", "50", "MB", "x", "4", "8", "90", "s"]


def test_options_without_effect_are_refused():
    with pytest.raises(InputError, match="--nodes 2 has no effect without --plan"):
        check_plan(plan=False, nodes=2, writes={})
    with pytest.raises(InputError, match="--resume has no effect with --plan"):
        check_plan(plan=True, nodes=None, writes={"--out": None, "--resume": True})
    with pytest.raises(InputError, match="--nodes"):
        check_plan(plan=True, nodes=0, writes={})
    check_plan(plan=True, nodes=3, writes={"--out": None})


def test_the_command_runs_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Fleet, "calibrate", lambda *_: Choice("stacked", 8, "by hand", {}, 24.0))
    options = ["--optimizers", "sgd,adam", "--steps", "50", "--seeds", "2", "--workers", "2"]
    assert main(["race", "line", "--plan", "--nodes", "2", "--json", *options]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [stage["lanes"] for stage in facts["stages"]] == [24, 4, 8]
    assert len(facts["nodes"]) == 2
    assert main(["race", "line", "line:noise=0.5", "--plan", "--json", *options]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert main(["race", "line", "--plan", *options]) == 0
    assert capsys.readouterr().out.startswith("line: 50 steps a lane, stacked (by hand)")
    assert main(["race", "line", "--nodes", "2", *options]) == 2
    assert main(["race", "line", "--plan", "--resume", *options]) == 2
    assert list(tmp_path.iterdir()) == []
