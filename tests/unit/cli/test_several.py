"""Several tasks in one command."""

import json
from pathlib import Path

import pytest

from ravine.base.errors import PlanError
from ravine.cli._several import Looks, _places
from ravine.cli.main import main
from ravine.records import open_record, resume
from ravine.report import aggregate_text, summary
from ravine.tasks import load

QUICK = ["--steps", "4", "--lrs", "0.01,0.1", "--optimizers", "sgd,adam", "--seeds", "2", "--no-figure", "--workers", "1"]
BROKEN = "from ravine.tasks import create\nraise RuntimeError('no data')\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_each_task_has_a_record_and_a_table_and_all_of_them_a_profile(tmp_path, capsys):
    assert main(["race", "line", "curve:two-bumps,width=5", *QUICK]) == 0
    out = capsys.readouterr().out
    assert files(tmp_path) == ["curve-two-bumps.ravine", "line.ravine"]
    assert out.index("task    line (1 of 2)") < out.index("record  line.ravine") < out.index("task    curve:two-bumps,width=5 (2 of 2)")
    records = [open_record(tmp_path / name) for name in ("line.ravine", "curve-two-bumps.ravine")]
    with records[0], records[1]:
        assert out.endswith(f"all 2 tasks\n{aggregate_text(records).rstrip()}\n")


def test_json_holds_every_race_and_the_aggregate(tmp_path, capsys):
    assert main(["race", "line", "curve:two-bumps,width=5", *QUICK, "--json", "--out", "all"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert list(found) == ["schema", "races", "aggregate"]
    assert found["schema"] == 1
    assert [race["task"]["name"] for race in found["races"]] == ["line", "curve:two-bumps"]
    assert [race["name"] for race in found["aggregate"]["races"]] == ["line", "curve:two-bumps"]
    assert "task    line (1 of 2)" in captured.err
    assert files(tmp_path) == ["all/curve-two-bumps.ravine", "all/line.ravine"]
    with open_record(tmp_path / "all" / "line.ravine") as record:
        assert found["races"][0] == json.loads(json.dumps(summary(record)))


def test_one_task_alone_is_as_ever(capsys):
    assert main(["race", "line", *QUICK, "--json", "--quiet"]) == 0
    assert "races" not in json.loads(capsys.readouterr().out)


def test_all_problems_of_all_tasks_are_told_and_nothing_is_raced(tmp_path, capsys):
    (tmp_path / "broken.py").write_text(BROKEN)
    assert main(["race", "line", "lnie", "broken.py", "line", *QUICK, "--out", "all", "--target", "-1"]) == 2
    said = capsys.readouterr().err
    assert "ravine: line is given 2 times: name each task once." in said
    assert "ravine: no task is called 'lnie'" in said, "named once"
    assert "ravine: broken.py: " in said
    assert files(tmp_path) == ["broken.py"]
    assert not (tmp_path / "all").exists()


def test_what_is_wrong_with_a_plan_is_said_of_each_task(tmp_path, capsys):
    assert main(["race", "line", "curve:two-bumps", *QUICK, "--seeds", "0", "--steps", "-1"]) == 2
    said = capsys.readouterr().err
    for task in ("line", "curve:two-bumps"):
        assert sum(line.startswith(f"ravine: {task}: ") for line in said.splitlines()) == 2
    assert files(tmp_path) == []


def test_out_names_a_folder(tmp_path, capsys):
    for given, better in (("x.ravine", "x"), ("taken.d", "taken")):
        (tmp_path / "taken.d").write_text("mine")
        assert main(["race", "line", "curve:two-bumps", *QUICK, "--out", given]) == 2
        assert f"so --out names a folder. Give --out {better}." in capsys.readouterr().err
    assert files(tmp_path) == ["taken.d"]
    assert main(["race", "line", "curve:two-bumps", *QUICK, "--out", "no/where"]) == 2
    assert "no/where" in capsys.readouterr().err


def test_records_there_are_kept_replaced_or_gone_on_with(tmp_path, capsys):
    assert main(["race", "line", "curve:two-bumps,width=5", *QUICK, "--out", "all"]) == 0
    first = capsys.readouterr().out
    assert main(["race", "line", "curve:two-bumps,width=5", *QUICK, "--out", "all"]) == 2
    said = capsys.readouterr().err
    assert said.count("exists; give --resume to go on with it, --force to replace it, or another --out.") == 2
    before = (tmp_path / "all" / "line.ravine").stat().st_ino
    assert main(["race", "line", "curve:two-bumps,width=5", *QUICK, "--out", "all", "--resume"]) == 0
    assert capsys.readouterr().out == first
    assert (tmp_path / "all" / "line.ravine").stat().st_ino == before
    assert main(["race", "line", "curve:two-bumps,width=5", *QUICK, "--out", "all", "--force"]) == 0
    assert (tmp_path / "all" / "line.ravine").stat().st_ino != before


def test_two_tasks_of_one_name_have_records_of_their_own(tmp_path):
    assert main(["race", "line:points=50", "line:points=60", *QUICK, "--quiet"]) == 0
    assert files(tmp_path) == ["line-2.ravine", "line.ravine"]


def test_two_tasks_of_one_name_are_kept_apart_from_older_records_and_from_each_other(tmp_path):
    for name in ("line.ravine", "line-3.png"):
        (tmp_path / name).touch()
    looks = Looks(figure=True, report=False, as_json=False, quiet=False, explain=False)
    tasks = [load("line:points=50"), load("line:points=60")]
    options = {"force": False, "resume": False}
    assert [str(files.record) for files in _places(tasks, None, looks, options)] == ["line-2.ravine", "line-4.ravine"]
    assert [str(files.record) for files in _places(tasks, Path("all"), looks, options)] == ["all/line.ravine", "all/line-2.ravine"]
    with pytest.raises(PlanError, match="--force has no effect without --out"):
        _places(tasks, None, looks, options | {"force": True})


def test_every_record_is_checked_before_any_race_goes_on(tmp_path, capsys):
    race = ["race", "line:points=50", "line:points=60", *QUICK, "--quiet"]
    assert main(race) == 0
    for name in ("line.ravine", "line-2.ravine"):
        with resume(tmp_path / name) as writer:
            writer.set_meta("status", "interrupted")
    before = [(tmp_path / name).read_bytes() for name in ("line.ravine", "line-2.ravine")]
    with resume(tmp_path / "line-2.ravine") as other:
        plan = open_record(tmp_path / "line-2.ravine").meta["plan"]
        other.set_meta("plan", plan | {"steps": 99})
    capsys.readouterr()
    assert main([*race, "--resume"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("ravine: line:points=60: line-2.ravine holds a race that was begun with steps=99, not 4")
    assert said.count("\n") == 1
    with open_record(tmp_path / "line.ravine") as record:
        assert record.meta["status"] == "interrupted", "it was not gone on with"
    assert (tmp_path / "line.ravine").read_bytes() == before[0]
    (tmp_path / "line-2.ravine").write_bytes(before[1])
    assert main([*race, "--resume"]) == 0
    assert files(tmp_path) == ["line-2.ravine", "line.ravine"]


def test_an_interrupt_keeps_what_was_finished_and_resume_does_the_rest(tmp_path, capsys, monkeypatch):
    from ravine.race.stage import Scribe

    arguments = ["race", "line", "curve:two-bumps,width=5", *QUICK]
    take, begin, begun = Scribe.take, Scribe.begin, []

    def counted(self, entries):
        begun.append(entries)
        begin(self, entries)

    def interrupted(self, event):
        # Tuning and final of the first task, then the tuning of the second.
        if len(begun) == 3:
            raise KeyboardInterrupt
        take(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(Scribe, "begin", counted)
        patch.setattr(Scribe, "take", interrupted)
        assert main(arguments) == 130
    said = capsys.readouterr().err
    assert "the record curve-two-bumps.ravine holds what was done, and the same command with --resume goes on" in said
    assert "Finished before: line.ravine." in said
    assert main([*arguments, "--resume"]) == 0
    captured = capsys.readouterr()
    assert "the race in line.ravine is finished" in captured.err
    assert "all 2 tasks" in captured.out
    assert files(tmp_path) == ["curve-two-bumps.ravine", "line.ravine"]
