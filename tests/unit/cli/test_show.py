"""`ravine show`."""

import csv
import json

import pytest

import records_fixture
from ravine.cli.main import main
from ravine.records import open_record
from ravine.report import aggregate_summary, aggregate_text, compare_summary, compare_text, profile_summary, profile_text, summary, table


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("show") / "race.ravine"
    records_fixture.write(path)
    return path


def shown(capsys, *arguments):
    assert main(["show", *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_the_table_is_the_reports(path, capsys):
    with open_record(path) as record:
        assert shown(capsys, path) == table(record).rstrip("\n") + "\n"


def test_json_is_the_summary(path, capsys):
    with open_record(path) as record:
        assert json.loads(shown(capsys, path, "--json")) == json.loads(json.dumps(summary(record)))


def test_csv_has_a_row_for_each_entrant_or_lane(path, capsys):
    with open_record(path) as record:
        entrants, lanes = len(record.ranking()), len(record.lanes())
    assert len(list(csv.DictReader(shown(capsys, path, "--csv").splitlines()))) == entrants
    assert len(list(csv.DictReader(shown(capsys, path, "--csv", "--lanes").splitlines()))) == lanes


def test_lanes_are_listed(path, capsys):
    assert "diverged" in shown(capsys, path, "--lanes")


@pytest.mark.parametrize("other", ["--csv", "--lanes"])
def test_json_stands_alone(path, capsys, other):
    assert main(["show", str(path), "--json", other]) == 2
    assert f"--json and {other} exclude each other" in capsys.readouterr().err


def test_profiles_are_the_reports(path, capsys):
    with open_record(path) as record:
        assert shown(capsys, path, "--profile") == profile_text(record).rstrip("\n") + "\n"
        assert json.loads(shown(capsys, path, "--profile", "--json")) == profile_summary(record)


@pytest.mark.parametrize("order", [("--compare", "A", "B"), ("A", "B", "--compare"), ("A", "--compare", "B")])
def test_two_records_are_compared_first_named_first(path, tmp_path, capsys, order):
    records_fixture.write(tmp_path / "b.ravine", seeds=3)
    places = {"A": path, "B": tmp_path / "b.ravine"}
    arguments = [places.get(name, name) for name in order]
    with open_record(path) as first, open_record(tmp_path / "b.ravine") as second:
        assert shown(capsys, *arguments) == compare_text(first, second).rstrip("\n") + "\n"
        assert json.loads(shown(capsys, *arguments, "--json")) == json.loads(json.dumps(compare_summary(first, second)))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["A", "--compare"], "--compare takes two records, and 1 was given"),
        (["A", "A", "A", "--compare"], "--compare takes two records, and 3 were given"),
        (["A", "A"], "2 records were given, and one is shown at a time"),
        (["A", "--profile", "--csv"], "--profile and --csv exclude each other"),
        (["A", "A", "--compare", "--profile"], "--profile and --compare exclude each other"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(path, capsys, arguments, sentence):
    assert main(["show", *(str(path) if part == "A" else part for part in arguments)]) == 2
    assert sentence in capsys.readouterr().err


def test_a_profile_over_several_records(path, tmp_path, capsys):
    other = tmp_path / "other.ravine"
    records_fixture.write(other, optimizers=("sgd", "adam"), seeds=3)
    with open_record(path) as first, open_record(other) as second:
        assert shown(capsys, path, other, "--profile") == aggregate_text([first, second]).rstrip("\n") + "\n"
        assert json.loads(shown(capsys, path, other, "--profile", "--json")) == aggregate_summary([first, second])
    assert main(["show", str(path), str(path), "--profile"]) == 2
    assert "one record twice" in capsys.readouterr().err
