import math
import types
from itertools import chain

import numpy as np
import pytest
import torch

from ravine.race.recipe import Recipe
from ravine.race.script import docstring, script
from ravine.schedules import create
from ravine.tasks import load


def recipe(**changes):
    settings = {"optimizer": "adam", "lr": 0.01, "schedule": "constant", "hypers": {}, "steps": 10, "batch_size": 20}
    return Recipe(**(settings | {"race_seed": 0, "seed": 1, "raced": {"loss": 1.5, "accuracy": math.nan}} | changes))


def run(text):
    """The script's module, not run as a program."""
    module = types.ModuleType("script")
    exec(compile(text, "script", "exec"), vars(module))
    return module


def test_a_warm_up_stands_among_the_constants():
    text = script(recipe(warmup=4, schedule="wsd"), load("line"))
    assert "\nWARMUP = 4  # steps over which the rate rises\n" in text
    assert "(step + 1) / WARMUP if step < WARMUP else min(" in text
    assert "WARMUP" not in script(recipe(schedule="wsd"), load("line"))


def test_a_long_schedule_is_a_function_of_its_own():
    text = script(recipe(schedule="one_cycle", warmup=3, steps=20), load("line"))
    assert text.index("def multiplier(step):") < text.index("def main():")
    assert "LambdaLR(optimizer, multiplier)" in text
    found = [run(text).multiplier(step) for step in range(20)]
    assert found == create("one_cycle", warmup=3)(np.arange(20), horizon=20).tolist()


def test_batches_leave_out_the_incomplete_one_and_reshuffle():
    module = run(script(recipe(batch_size=3), load("line:points=10")))
    stream = module.batches((torch.arange(10), torch.arange(10)))
    rows = [next(stream)[0].tolist() for _ in range(6)]
    epochs = [[*chain(*rows[:3])], [*chain(*rows[3:])]]
    assert all(len(set(epoch)) == 9 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_value_that_was_not_finite_is_written_as_such():
    module = run(script(recipe(), load("line")))
    assert math.isnan(module.RACED["accuracy"])
    assert module.RACED["loss"] == 1.5


def test_the_device_is_the_race_s():
    assert 'DEVICE = "cpu"  # where the race ran' in script(recipe(), load("line"))
    assert 'DEVICE = "cuda"\n' in script(recipe(device="cuda"), load("line"))


@pytest.mark.parametrize("text", ['quote """ inside', "back\\slash \\", "plain"])
def test_any_name_may_stand_in_the_heading(text):
    assert text in eval(docstring((text, "    kept as it is  x")))
