"""Settings for people and for checkpoints."""

import torch

from ravine.tasks import load
from ravine.trainer import Options, resolve


def settings(**options):
    return resolve(load("digits"), Options(**options))


def test_every_default_can_be_overridden_and_is_printed():
    given = settings(steps=10, optimizer="sgd", lr=0.5, hypers={"momentum": 0.8}, schedule="linear", warmup=0, clip=0, ema=0.9)
    lines = "\n".join(given.lines())
    assert lines == "10 steps of 64 rows\nsgd at lr 0.5 (momentum 0.8)\nschedule linear\nno clipping, fp32, ema 0.9"
    usual = "\n".join(settings(steps=1000).lines())
    for part in ("adamw at lr 0.001", "weight_decay 0.1", "beta2 0.999", "decay on weights only", "warm-up of 30 steps", "clip 1", "fp32"):
        assert part in usual


def test_a_checkpoint_knows_every_setting_but_where_it_runs():
    described = settings(steps=10, optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1)).described()
    assert described["optimizer"] == "a function"
    assert described["steps"] == "10"
    assert not {"check", "device"} & set(described)
