"""`ravine show`."""

import csv
import json

import pytest

import records_fixture
from ravine.cli.main import main
from ravine.records import open_record
from ravine.report import summary, table


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
