"""The subject: its settings, and that every rung reads the very same tensors."""

import pytest
import torch

from doctor_tasks import healthy
from ravine.base.errors import InputError, UnknownNameError
from ravine.doctor.subject import FEWEST_STEPS, Settings, Subject, variant


def test_batches_are_the_same_every_time():
    first, second = Subject(healthy(), Settings()), Subject(healthy(), Settings())
    assert torch.equal(first.batch[0], second.batch[0])
    assert all(torch.equal(a[1], b[1]) for a, b in zip(first.batches(3), second.batches(3), strict=True))
    assert len(first.batch[0]) == 32
    assert len(first.many[0]) == 256


def test_another_seed_reads_other_rows():
    assert not torch.equal(Subject(healthy(), Settings()).batch[0], Subject(healthy(), Settings(seed=1)).batch[0])


def test_a_slow_model_gets_fewer_steps():
    subject = Subject(healthy(), Settings(steps=200, seconds=1.0))
    subject.__dict__["step_s"] = 1e-3
    assert subject.steps == 62
    slow = Subject(healthy(), Settings(steps=200, seconds=1.0))
    slow.__dict__["step_s"] = 10.0
    assert slow.steps == FEWEST_STEPS


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lr": 0.0}, "lr=0.0: must be above 0"),
        ({"steps": 3}, "steps=3: must be a whole number, at least 30"),
        ({"seeds": 1}, "seeds=1: must be a whole number, at least 2"),
        ({"optimizer": "sophia_g"}, "must be one that steps by gradients"),
    ],
)
def test_unusable_settings_are_refused(settings, text):
    with pytest.raises(InputError, match=text):
        Settings(**settings)


def test_an_unknown_optimizer_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'adam'"):
        Settings(optimizer="adm")


def test_a_variant_keeps_the_data_that_was_read():
    task = healthy()
    data = task.data
    assert variant(task, metrics={}, rank_by="loss").data is data
