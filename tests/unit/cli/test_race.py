"""`ravine race`, in this process."""

import json

import pytest

from ravine.cli.main import Terminated, main
from ravine.records import open_record

QUICK = ["--steps", "4", "--lrs", "0.01,0.1", "--optimizers", "sgd,adam", "--seeds", "2", "--no-figure", "--workers", "1"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_results_go_to_the_output_and_messages_elsewhere(tmp_path, capsys):
    assert main(["race", "line", *QUICK]) == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("\nrecord  line.ravine\n")
    assert "optimiser" in captured.out
    lines = captured.err.splitlines()
    assert lines[0].startswith("tune: 4 lanes of 4 steps, ")
    assert lines[1].startswith("tune: done in ")
    assert lines[2].startswith("final: 8 lanes of 4 steps, ")
    assert files(tmp_path) == ["line.ravine"]


def test_a_second_race_takes_a_free_name_and_json_stands_alone(tmp_path, capsys):
    (tmp_path / "line.ravine").write_text("not a record")
    assert main(["race", "line", *QUICK, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["schema"] == 1
    assert captured.err.endswith("\nrecord  line-2.ravine\n")
    assert (tmp_path / "line.ravine").read_text() == "not a record"


def test_quiet_says_nothing_but_results(capsys):
    assert main(["race", "line", *QUICK, "--quiet", "--json"]) == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert captured.err == ""


def test_what_the_users_file_prints_is_a_message(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("from ravine.tasks import create\nprint('noise')\ntask = create('line')\n")
    assert main(["race", "mine.py", *QUICK, "--quiet", "--json"]) == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert captured.err == "noise\n"


def test_figure_and_report_lie_beside_the_record(tmp_path, capsys):
    options = [option for option in QUICK if option != "--no-figure"]
    assert main(["race", "line", *options, "--out", "x.ravine", "--report"]) == 0
    assert capsys.readouterr().out.endswith("\nrecord  x.ravine\nfigure  x.png\nreport  x.html\n")
    assert files(tmp_path) == ["x.html", "x.png", "x.ravine"]


def test_a_figure_may_be_dark(tmp_path, monkeypatch):
    themes = []
    monkeypatch.setattr("ravine.report.race_figure", lambda record, path, *, theme: themes.append(theme))
    options = [option for option in QUICK if option != "--no-figure"]
    assert main(["race", "line", *options, "--dark"]) == 0
    assert main(["race", "line", *options]) == 0
    assert themes == ["dark", "light"]


@pytest.mark.parametrize("other", ["--no-figure", "--plan"])
def test_a_dark_figure_that_is_not_drawn_is_an_error(other, tmp_path, capsys):
    assert main(["race", "line", "--dark", other]) == 2
    captured = capsys.readouterr()
    assert "--dark has no effect with " + other in captured.err
    assert captured.err.count("\n") == 1
    assert files(tmp_path) == []


def test_an_existing_record_is_replaced_only_with_force(tmp_path, capsys):
    assert main(["race", "line", *QUICK, "--out", "x.ravine"]) == 0
    before = (tmp_path / "x.ravine").stat().st_ino
    assert main(["race", "line", *QUICK, "--out", "x.ravine"]) == 2
    assert "x.ravine exists" in capsys.readouterr().err
    assert (tmp_path / "x.ravine").stat().st_ino == before
    assert main(["race", "line", *QUICK, "--out", "x.ravine", "--force"]) == 0
    assert (tmp_path / "x.ravine").stat().st_ino != before


def test_options_reach_the_plan(tmp_path):
    options = ["--epochs", "2", "--batch-size", "50", "--seeds", "1", "--schedule", "cosine", "--target", "0.5", "--seed", "7"]
    assert main(["race", "line", "--optimizers", "sgd", "--lrs", "0.1", "--no-figure", "--quiet", *options]) == 0
    with open_record(tmp_path / "line.ravine") as record:
        protocol = record.meta["protocol"]
    found = {key: protocol[key] for key in ("steps", "batch_size", "seeds", "schedule", "race_seed", "lr_grids")}
    assert found == {"steps": 4, "batch_size": 50, "seeds": 1, "schedule": "cosine", "race_seed": 7, "lr_grids": {"sgd": [0.1]}}
    assert protocol["target"]["used"] == 0.5


def test_a_shared_rate_is_labelled(capsys):
    assert main(["race", "line", "--steps", "2", "--seeds", "1", "--optimizers", "sgd", "--shared-lr", "0.1", "--no-figure"]) == 0
    assert "not a fair comparison" in capsys.readouterr().out


@pytest.mark.parametrize(("signal", "status"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_an_interrupt_before_the_race_begins_says_so(monkeypatch, capsys, tmp_path, signal, status):
    import ravine._api as api

    def interrupted(*arguments, **options):
        raise signal

    monkeypatch.setattr(api, "race", interrupted)
    assert main(["race", "line", *QUICK]) == status
    assert capsys.readouterr().err == "ravine: interrupted; the race had not begun, and nothing was written.\n"
    assert files(tmp_path) == []


def test_a_finished_race_is_shown_again_and_nothing_is_drawn_anew(tmp_path, capsys):
    options = [option for option in QUICK if option != "--no-figure"]
    assert main(["race", "line", *options]) == 0
    first = capsys.readouterr()
    (tmp_path / "line.png").write_bytes(b"drawn before")
    assert main(["race", "line", *options, "--resume"]) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.err == "note: the race in line.ravine is finished: there is nothing to resume\n"
    assert (tmp_path / "line.png").read_bytes() == b"drawn before"
    assert files(tmp_path) == ["line.png", "line.ravine"]


def test_an_interrupted_race_goes_on(tmp_path, capsys, monkeypatch):
    from ravine.race.stage import Scribe

    take, count = Scribe.take, iter(range(10_000))

    def interrupted(self, event):
        if next(count) == 20:
            raise KeyboardInterrupt
        take(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(Scribe, "take", interrupted)
        assert main(["race", "line", *QUICK]) == 130
    assert "the same command with --resume goes on" in capsys.readouterr().err
    assert main(["race", "line", *QUICK]) == 0, "a race of its own"
    other = [*QUICK[:1], "5", *QUICK[2:]]
    assert main(["race", "line", *other, "--resume", "--out", "line.ravine"]) == 2
    assert "begun with steps=4, not 5" in capsys.readouterr().err
    assert main(["race", "line", *QUICK, "--resume", "--out", "line.ravine"]) == 0
    with open_record(tmp_path / "line.ravine") as record:
        assert record.meta["status"] == "done"
        assert len(record.meta["resumed"]) == 1
    assert files(tmp_path) == ["line-2.ravine", "line.ravine"]


def test_resume_without_a_record_begins_and_says_so(tmp_path, capsys):
    assert main(["race", "line", *QUICK, "--resume"]) == 0
    assert "note: there is no line.ravine to resume" in capsys.readouterr().err
    assert files(tmp_path) == ["line.ravine"]


def test_resume_and_force_exclude_each_other(capsys):
    assert main(["race", "line", *QUICK, "--resume", "--force", "--out", "x.ravine"]) == 2
    assert "exclude each other" in capsys.readouterr().err
