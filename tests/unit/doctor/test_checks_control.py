"""Rows held out of train beside those of validation: prepared alike, and each otherwise."""

import pytest
import torch
from torch.nn import functional

from doctor_tasks import blobs, healthy, network
from ravine.doctor import checks_control as checks
from ravine.doctor import checks_loss
from ravine.doctor.subject import Settings, Subject


def subject(train=None, validation=None, **settings):
    rows, others = blobs(512) if train is None else train, blobs(128, seed=1) if validation is None else validation
    return Subject(healthy(train=rows, validation=others, **settings), Settings(steps=60))


def test_held_out_rows_are_those_of_train_and_no_others():
    parts = checks.held_out(subject())
    assert [len(part[0]) for part in parts] == [448, 64]
    rows = torch.cat([part[0] for part in parts])
    assert torch.equal(rows.sort(0).values, blobs(512)[0].sort(0).values)


@pytest.mark.parametrize(
    ("rows", "others", "batch_size"), [(240, 128, 32), (512, 31, 32), (512, 128, 500)], ids=["train", "validation", "one batch"]
)
def test_too_few_rows_for_a_control(rows, others, batch_size):
    assert checks.held_out(subject(blobs(rows), blobs(others, seed=1), batch_size=batch_size)) is None


PLAIN = {"validation": 1.4, "control": 1.4}


def told(given, reached, control=0.2):
    return checks.compared(given, checks.held_out(given), {"validation": reached, "control": control}, PLAIN)


def test_splits_that_come_out_alike():
    assert told(subject(), 0.3) is None
    assert told(subject(), 1.4, control=1.4) is None
    assert told(subject(), float("nan")) is None


@pytest.mark.parametrize(("reached", "severity"), [(1.0, "warning"), (1.5, "error")])
def test_a_validation_that_comes_out_worse(reached, severity):
    found = told(subject(), reached)
    assert (found.severity, found.title) == (severity, checks.WORSE)
    assert "64 training rows held out" in found.measured


def test_rows_of_train_that_repeat_each_other_are_no_control():
    x, y = blobs(32)
    assert told(subject((x.repeat(16, 1), y.repeat(16))), 1.5) is None


@pytest.mark.parametrize("change", [lambda x: x / 16, lambda x: x + 3.0], ids=["scaled", "moved"])
def test_a_validation_that_is_scaled_otherwise(change):
    x, y = blobs(128, seed=1)
    found = told(subject(validation=(change(x), y)), 1.5)
    assert (found.severity, found.title) == ("error", checks.SCALED)


@pytest.mark.slow  # two fleets of lanes, and a training
def test_a_validation_that_numbers_its_classes_otherwise():
    x, y = blobs(128, seed=1)
    outcome = checks_loss.input_independent(subject(validation=(x, (y + 1) % 4)))
    (found,) = outcome.findings
    assert (found.severity, found.title) == ("error", checks.RENUMBERED)
    assert "1 for 0" in found.measured
    assert checks_loss.input_independent(subject()).findings == ()


def test_numbers_are_exchanged_for_classes_alone():
    x = blobs(512)[0]
    other = blobs(128, seed=1)[0]
    given = subject((x, x[:, :4]), (other, other[:, :4]), loss=functional.mse_loss, model=lambda: network(4), metrics={})
    assert told(given, 1.5).title == checks.WORSE
