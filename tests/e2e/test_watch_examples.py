"""A watch in a plain loop, in Lightning and in transformers: the examples run as a reader would run them, and find the fault."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("script", "needs", "length", "said"),
    [
        ("watch_plain.py", (), "40", "error: parameters are not given to the optimizer"),
        pytest.param("watch_lightning.py", ("lightning",), "5", "warning: weights hardly move", marks=pytest.mark.slow),
        pytest.param(
            "watch_transformers.py", ("transformers", "accelerate"), "120", "warning: weights hardly move", marks=pytest.mark.slow
        ),
    ],
    ids=["plain", "lightning", "transformers"],
)
def test_a_watched_training_names_its_fault(script, needs, length, said):
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed: make oracles installs it")
    done = subprocess.run([sys.executable, EXAMPLES / script, length], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert said in done.stdout, done.stdout
