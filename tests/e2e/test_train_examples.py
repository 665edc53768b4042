"""The scripts that train an image and a text model run to their end, and a few steps learn something."""

import re
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(monkeypatch, capsys):
    def printed(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capsys.readouterr().out

    return printed


def test_images(run):
    lines = run("train_images.py", "20").splitlines()
    losses = [float(found) for found in re.findall(r"validation loss ([\d.]+)", "\n".join(lines))]
    assert len(losses) > 1
    assert losses[-1] < losses[0]
    assert re.fullmatch(r"test accuracy 0\.\d{4} with the weights of step \d+", lines[-2])
    assert re.fullmatch(r"mistaken: \d for \d(, \d for \d)*", lines[-1])


def test_text(run, tmp_path):
    (tmp_path / "a.txt").write_text("    def add(self):\n        return self\n\n" * 60)
    lines = run("train_text.py", "20", str(tmp_path / "a.txt")).splitlines()
    losses = [float(found) for found in re.findall(r"validation loss ([\d.]+)", "\n".join(lines))]
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    written = "\n".join(lines[5:])
    assert written.startswith("    def ")
    assert len(written) == 308
