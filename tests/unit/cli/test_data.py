"""`ravine data get`."""

import pytest

from ravine.base.errors import DataError
from ravine.cli.main import main
from ravine.tasks import fetching


def test_paths_are_the_result_and_progress_is_a_message(tmp_path, monkeypatch, capsys):
    def fetch(name, folder, progress):
        assert (name, folder) == ("mnist", tmp_path)
        for done in (0, 5, 10):
            progress("images.gz", done, 10)
        return [tmp_path / "images.gz"]

    monkeypatch.setattr(fetching, "get", fetch)
    assert main(["data", "get", "mnist", "--folder", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'images.gz'}\n"
    assert captured.err == "fetching images.gz\n"


def test_a_terminal_gets_bars(monkeypatch, capsys):
    def fetch(name, folder, progress):
        progress("images.gz", 10, 10)
        return []

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(fetching, "get", fetch)
    assert main(["data", "get", "mnist"]) == 0
    text = capsys.readouterr().err
    assert "images.gz" in text
    assert "fetching" not in text


def test_failures_are_sentences(monkeypatch, capsys):
    def refuse(name, folder, progress):
        raise DataError("https://x cannot be reached (down).")

    monkeypatch.setattr(fetching, "get", refuse)
    assert main(["data", "get", "mnist"]) == 2
    assert capsys.readouterr().err == "ravine: https://x cannot be reached (down).\n"


def test_unknown_sets_are_answered_with_the_nearest(capsys):
    assert main(["data", "get", "mnits"]) == 2
    assert "did you mean 'mnist'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["data"], ["data", "get"]])
def test_missing_parts_are_named(arguments, capsys):
    assert main(arguments) == 2
    assert "missing" in capsys.readouterr().err
