import subprocess
import sys

import pytest

from ravine.lab.run_texts import run_texts
from ravine.lab.settings import PRESET

SETTING = {**PRESET, "width": 4, "steps": 20, "task_options": {"target": "sine"}}
FORMULA = {"target": "formula", "formula": "sin(3*x) + max(x, 0)"}


def texts(rates=None, step=20, **given):
    return run_texts({**SETTING, **given}, rates or {"sgd": 0.1, "adam": 0.1}, lane=1, raced={"loss": 0.25}, step=step)


def test_a_shared_rate_is_a_command_and_python():
    found = texts()
    words = "ravine race curve:sine,width=4 --optimizers sgd,adam --steps 20 --seed 7 --shared-lr 0.1 --seeds 1"
    assert found["command"] in (words, words.replace("curve:sine,", "curve:"))
    assert "shared_lr=lr" in found["python"]
    compile(found["python"], "python", "exec")


def test_rates_that_differ_have_no_command():
    found = texts({"sgd": 0.1, "adam": 0.01})
    assert found["command"] == ""
    assert "no command for rates that differ" in found["note"]


def test_tuned_rates_are_tuned_in_full_by_the_command():
    found = texts(lrs="tuned", schedule="cosine", batch_size=16)
    assert found["command"].endswith("--seeds 5 --schedule cosine --batch-size 16")
    assert "shared_lr" not in found["python"]
    assert "batch_size=16" in found["python"]


@pytest.mark.parametrize("options", [{"target": "sine"}, FORMULA, {"target": "noisy-line"}], ids=["built-in", "formula", "line"])
def test_the_script_needs_no_ravine_and_trains(options):
    script = texts(task_options=options)["scripts"]["adam"]
    assert "ravine" not in script
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "validation loss" in done.stdout


def test_a_script_of_a_race_under_way_says_when_it_was_copied():
    assert "on validation at step 8, where it was copied" in texts(step=8)["scripts"]["adam"]
    assert "on validation at the end" in texts()["scripts"]["adam"]


def test_python_of_a_formula_makes_its_task():
    text, _, rest = texts(task_options=FORMULA)["python"].partition("for name, lr in")
    namespace = {}
    exec(compile(text, "python", "exec"), namespace)  # the text is this package's own
    assert "ravine.race(task, optimizers=[name], shared_lr=lr, steps=20" in rest
    assert namespace["task"].data.train[0].shape == (128, 1)
