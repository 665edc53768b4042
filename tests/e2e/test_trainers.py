"""Our optimisers inside other people's trainers: the examples run as a reader would run them, and the loss falls."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("script", "needs", "length"),
    [("lightning_muon.py", ("lightning",), "3"), ("transformers_muon.py", ("transformers", "accelerate"), "40")],
    ids=["lightning", "transformers"],
)
def test_adamw_and_muon_train_inside_a_trainer(script, needs, length):
    missing = [name for name in needs if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed: make oracles installs it")
    done = subprocess.run([sys.executable, EXAMPLES / script, length], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.findall(r"^(\w+): loss ([\d.]+) at the first step, ([\d.]+)", done.stdout, re.MULTILINE)
    assert [name for name, *_ in found] == ["adamw", "muon"]
    assert all(float(last) < 0.7 * float(first) for _, first, last in found), done.stdout
