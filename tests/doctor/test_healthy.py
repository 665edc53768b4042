"""Healthy models: the doctor finds nothing above information."""

import importlib.util
import os

import pytest

import ravine
from doctor.healthy_models import MODELS, OPTIMIZERS
from ravine.doctor import Settings, examine
from ravine.tasks import load


def severe(task, **settings):
    """What is above information, and rungs that broke, in words."""
    diagnosis = examine(task, Settings(**settings))
    found = [str(finding) for finding in diagnosis if finding.severity != "information"]
    return found + [f"{rung.rung}: {rung.measured}" for rung in diagnosis.rungs if "could not be measured" in rung.measured]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_healthy_models(name):
    if name.startswith(("timm", "transformers")) and importlib.util.find_spec(name.split()[0]) is None:
        pytest.skip(f"{name.split()[0]} is not installed")
    assert severe(MODELS[name]()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_built_in_tasks_of_pictures(name):
    if not os.environ.get("RAVINE_DATA"):
        pytest.skip("RAVINE_DATA names no folder with the pictures")
    try:
        task = load(name)
        _ = task.data
    except ravine.base.errors.DataNotFoundError as error:
        pytest.skip(str(error))
    assert severe(task) == []


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "lr"), OPTIMIZERS)
def test_digits_under_optimizers_at_their_usual_rates(optimizer, lr):
    assert severe(load("digits"), optimizer=optimizer, lr=lr) == []


def test_there_are_twenty_healthy_models_or_more():
    assert len(MODELS) >= 20
    assert sum(isinstance(make(), ravine.Task) for name, make in MODELS.items() if " " not in name and ":" not in name) >= 5
