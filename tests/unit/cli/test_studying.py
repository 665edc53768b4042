"""`ravine race --studies` and `ravine show --studies`, in this process."""

import json

import pytest

from ravine.cli.main import main
from ravine.records import open_record

QUICK = ["--steps", "4", "--lrs", "0.01,0.1", "--optimizers", "sgd,adam", "--seeds", "2", "--no-figure", "--workers", "1"]


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def seeds(*paths):
    found = []
    for path in paths:
        with open_record(path) as record:
            found.append((record.meta["protocol"]["race_seed"], record.meta["status"]))
    return found


def test_each_study_has_a_record_and_a_seed_and_all_of_them_are_summed_up(tmp_path, capsys):
    assert main(["race", "line", *QUICK, "--studies", "2", "--seed", "5"]) == 0
    out = capsys.readouterr().out
    assert files(tmp_path) == ["line-2.ravine", "line.ravine"]
    assert seeds("line.ravine", "line-2.ravine") == [(5, "done"), (6, "done")]
    assert out.startswith("study   1 of 2, --seed 5\n")
    assert out.index("\nrecord  line.ravine\n") < out.index("\nstudy   2 of 2, --seed 6\n") < out.index("\nall 2 studies\n")
    assert main(["show", "--studies", "line.ravine", "line-2.ravine"]) == 0
    assert out.endswith(capsys.readouterr().out), "the summary can be had again"


def test_the_names_of_all_studies_are_free(tmp_path, capsys):
    (tmp_path / "line-2.ravine").write_text("not a record")
    assert main(["race", "line", *QUICK, "--studies", "2", "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert files(tmp_path) == ["line-2.ravine", "line-3-2.ravine", "line-3.ravine"]
    found = json.loads(captured.out)
    assert [race["protocol"]["race_seed"] for race in found["races"]] == [0, 1]
    assert found["studies"]["entrants"]
    assert captured.err == ""


def test_studies_go_on_where_they_were(tmp_path, capsys):
    assert main(["race", "line", *QUICK, "--out", "d.ravine"]) == 0
    before = (tmp_path / "d.ravine").read_bytes()
    assert main(["race", "line", *QUICK, "--studies", "2", "--out", "d.ravine"]) == 2
    assert "d.ravine exists; give --resume to go on with it" in capsys.readouterr().err
    assert main(["race", "line", *QUICK, "--studies", "2", "--out", "d.ravine", "--resume"]) == 0
    assert (tmp_path / "d.ravine").read_bytes() == before
    assert seeds("d.ravine", "d-2.ravine") == [(0, "done"), (1, "done")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--studies", "1"], "--studies=1: must be a whole number, at least 2. One study is a plain race"),
        (["--studies", "2", "--resume"], "--resume with --studies 2 needs --out: name the record of the first study"),
        (["--studies", "2", "--force"], "--force has no effect without --out"),
        (["--studies", "2", "--shared-lr", "0.1"], "repeats the tuning, and --shared-lr 0.1 tunes nothing"),
        (["digits", "--studies", "2"], "--studies 2 repeats the race of one task, and 2 tasks are given"),
        (["--studies", "two"], "'two' is not a whole number"),
    ],
)
def test_what_cannot_be(given, message, tmp_path, capsys):
    assert main(["race", "line", *given]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert files(tmp_path) == []


def test_showing_studies_takes_two_records(capsys):
    assert main(["race", "line", *QUICK]) == 0
    assert main(["show", "--studies", "line.ravine"]) == 2
    assert "--studies takes two records or more" in capsys.readouterr().err
    assert main(["show", "--studies", "--compare", "line.ravine", "line.ravine"]) == 2
    assert "--compare and --studies exclude each other" in capsys.readouterr().err


def test_an_interrupted_study_says_how_to_go_on(monkeypatch, capsys):
    import ravine._api as api

    whole, calls = api.race, []

    def race(*arguments, **options):
        calls.append(options["out"])
        if len(calls) == 2:
            options["out"].write_bytes(b"begun")
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    monkeypatch.setattr(api, "race", race)
    assert main(["race", "line", *QUICK, "--studies", "2"]) == 130
    said = " ".join(capsys.readouterr().err.split())
    assert said.endswith("the same command with --resume goes on. Give --out line.ravine with it, the record of the first study.")
