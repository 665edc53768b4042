"""The form of a recipe that uses ravine: it trains what the plain form trains."""

import contextlib
import dataclasses
import io
import re
import subprocess
import sys

import pytest
import torch

import ravine
from ravine.base.errors import InputError, UnknownNameError
from ravine.race._ravine_text import ravine_task_text
from ravine.race.recipe import Recipe
from ravine.tasks import load

NET = """
import numpy as np
import torch
from torch import nn

import ravine

x = torch.linspace(-1, 1, 60)[:, None]


def net():
    model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 1))
    with torch.no_grad():
        model[-1].bias.copy_(torch.tensor(np.random.normal(size=1), dtype=torch.float32))
    return model


def error(output, target):
    return (output - target).abs().mean()


task = ravine.Task("net", net, (x[:40], x[:40]), (x[40:], x[40:]), nn.functional.mse_loss, metrics={"error": error}, batch_size=8)
"""


def recipe(task, optimizer, **changes):
    settings = {
        "lr": 0.02,
        "schedule": "constant",
        "hypers": {},
        "steps": 12,
        "batch_size": 8,
        "race_seed": 3,
        "seed": 1,
        "heading": ("Trains it.", "As raced."),
    }
    raced = dict.fromkeys(("loss", *task.metrics), 0.0)
    return Recipe(**(settings | {"optimizer": optimizer, "raced": raced, "task": task} | changes))


def printed(code):
    """Validation values that a script prints, by name."""
    text = io.StringIO()
    # The plain form puts a stand-in in the place of ravine.
    with contextlib.redirect_stdout(text), pytest.MonkeyPatch.context() as patch:
        for module in [name for name in sys.modules if name.partition(".")[0] == "ravine"]:
            patch.setitem(sys.modules, module, sys.modules[module])
        patch.setattr(sys, "path", list(sys.path))
        exec(compile(code, "script", "exec"), {"__name__": "__main__"})
    return {name: float(value) for name, value in re.findall(r"^validation (.+) (\S+)   \(", text.getvalue(), re.MULTILINE)}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("task") / "net.py"
    path.write_text(NET)
    return load(str(path))


@pytest.mark.parametrize(
    ("optimizer", "changes"),
    [
        ("adamw", {"schedule": "cosine", "hypers": {"weight_decay": 0.1, "beta1": 0.8}}),
        ("momentum", {"schedule": "linear", "warmup": 4}),
        ("nesterov", {}),
        ("lion+clip", {}),
        ("schedule_free_adamw", {}),
        ("sgd+ema", {"hypers": {"ema_decay": 0.5}}),
    ],
)
def test_both_forms_reach_the_same_values(net, optimizer, changes):
    given = recipe(net, optimizer, **changes)
    expected = printed(given.code())
    assert set(expected) == {"loss", "error"}
    assert printed(given.code(form="ravine")) == pytest.approx(expected, rel=2e-5)


def test_a_built_in_is_loaded_by_its_name_and_the_rate_by_its_schedule():
    code = recipe(load("line:points=50"), "adam", schedule="cosine", warmup=3).code(form="ravine")
    assert 'task = load("line:points=50")' in code
    assert "ravine.optim.create(" in code
    assert 'ravine.schedules.create("cosine", horizon=STEPS).warmup(WARMUP)' in code
    assert printed(code)["loss"] > 0


def test_a_long_run_has_the_driver_of_the_trainer():
    driver = 'driver="native" if STEPS >= 2000 else "auto"'
    assert driver in recipe(load("line:points=50"), "adam").code(form="ravine")
    assert driver not in recipe(load("line:points=50"), "lamb").code(form="ravine")


def test_the_text_is_formatted(net, tmp_path):
    (tmp_path / "train.py").write_text(recipe(net, "sgd+ema", schedule="linear").code(form="ravine"))
    command = [sys.executable, "-m", "ruff", "format", "--check", "--diff", "--isolated", "--no-cache", "--line-length", "140"]
    done = subprocess.run([*command, str(tmp_path / "train.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_needs_a_loop_of_its_own_is_refused_with_the_form_that_has_it(net):
    for name, what in (("adamw+sam", "two gradients a step"), ("sophia_h", "curvature")):
        with pytest.raises(InputError, match=rf"needs {what}.*use the form 'torch'"):
            recipe(net, name).code(form="ravine")


def test_an_unknown_form_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'torch'"):
        recipe(load("line"), "adam").code(form="torhc")


def test_a_task_made_in_python_cannot_be_loaded_by_a_name():
    pair = (torch.zeros(8, 1), torch.ones(8, 1))
    task = ravine.Task("mine", lambda: torch.nn.Linear(1, 1), pair, pair, torch.nn.functional.mse_loss)
    with pytest.raises(InputError, match="made in Python and has no name"):
        ravine_task_text(task)
    assert ravine_task_text(dataclasses.replace(load("line")).referred("line")).model == "task.model()"
