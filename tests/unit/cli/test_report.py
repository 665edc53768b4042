"""`ravine report`."""

import pytest

import records_fixture
from ravine.cli.main import main


@pytest.fixture
def path(tmp_path):
    records_fixture.write(tmp_path / "race.ravine", optimizers=("sgd", "adam"), seeds=2)
    return tmp_path / "race.ravine"


def test_a_page_is_written_beside_the_record_or_where_asked(path, tmp_path, capsys):
    for arguments, target in (([], tmp_path / "race.html"), (["-o", str(tmp_path / "x.html")], tmp_path / "x.html")):
        assert main(["report", str(path), *arguments]) == 0
        assert target.read_text(encoding="utf-8").startswith("<!")
        assert capsys.readouterr().out == f"report  {target}\n"


def test_a_file_is_replaced_only_with_force(path, tmp_path, capsys):
    target = tmp_path / "race.html"
    target.write_text("mine")
    assert main(["report", str(path)]) == 2
    assert "exists; give --force to replace it, or give another name with -o." in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main(["report", str(path), "--force"]) == 0
    assert target.read_text(encoding="utf-8") != "mine"
