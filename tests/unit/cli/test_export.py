"""`ravine export`."""

import pytest

import records_fixture
from ravine.cli.main import main


@pytest.fixture
def path(tmp_path):
    records_fixture.write(tmp_path / "race.ravine", optimizers=("sgd", "adam"), seeds=2)
    return tmp_path / "race.ravine"


def test_a_folder_is_written_beside_the_record_or_where_asked(path, tmp_path, capsys):
    for arguments, target in (([], tmp_path / "race-csv"), (["-o", str(tmp_path / "x")], tmp_path / "x")):
        assert main(["export", str(path), "--to", "csv", *arguments]) == 0
        assert (target / "losses.csv").is_file()
        assert capsys.readouterr().out == f"export  {target}\n"


def test_a_folder_is_never_replaced(path, tmp_path, capsys):
    (tmp_path / "race-csv").mkdir()
    assert main(["export", str(path), "--to", "csv"]) == 2
    assert "exists; give the name of a folder that does not, with -o." in capsys.readouterr().err


def test_an_unknown_format_is_one_sentence(path, capsys):
    assert main(["export", str(path), "--to", "tensorbord"]) == 2
    assert "tensorboard" in capsys.readouterr().err


def test_the_format_must_be_given(path, capsys):
    assert main(["export", str(path)]) == 2
    assert "--to" in capsys.readouterr().err
