"""Settings for people and for checkpoints."""

import torch
from torch import nn

from ravine.tasks import load
from ravine.trainer import Options, resolve
from ravine.trainer.making import make_optimizer


def settings(**options):
    return resolve(load("digits"), Options(**options))


def test_every_default_can_be_overridden_and_is_printed():
    given = settings(steps=10, optimizer="sgd", lr=0.5, hypers={"momentum": 0.8}, schedule="linear", warmup=0, clip=0, ema=0.9)
    lines = "\n".join(given.lines())
    assert lines.splitlines() == [
        "10 steps of 64 rows, seed 0",
        "sgd at lr 0.5 (momentum 0.8, dampening 0, l2 0, driver auto)",
        "schedule linear",
        "no clipping, fp32, ema 0.9",
        "evaluated every step, the best by loss",
    ]
    usual = "\n".join(settings(steps=1000).lines())
    assert usual.splitlines() == [
        "1,000 steps of 64 rows, seed 0",
        "adamw at lr 0.001 (beta1 0.9, beta2 0.999, eps 1e-08, weight_decay 0.1, driver auto, decay on weights only)",
        "schedule cosine after a warm-up of 30 steps",
        "clip 1, fp32",
        "evaluated every 50 steps, the best by loss",
    ]


def test_a_warm_up_of_one_step_is_one():
    for warmup, text in ((1, "1 step"), (2, "2 steps"), (0.5, "0.5 of all steps")):
        assert any(line.endswith(f"after a warm-up of {text}") for line in settings(steps=10, warmup=warmup).lines())


def test_what_is_printed_is_what_the_optimizer_is_made_with():
    """Presets, pairs under torch's name, wrappers; and nothing of an optimizer that is a function."""
    for name, hypers in (("nesterov", {}), ("adamw+lookahead", {"betas": (0.8, 0.99)}), ("sgd", {"weight_decay": 0.1}), ("muon", {})):
        given = settings(steps=3000, optimizer=name, lr=0.5, hypers=hypers)
        made, said = make_optimizer(nn.Linear(2, 2), given), given.stepped()
        assert said["driver"] == made.defaults["driver"]
        for hyper in made.rule.hypers[1:]:
            value = made.defaults[hyper.group_key]
            expected = value if hyper.group_key in said or hyper.index is None else value[hyper.index]
            assert said[hyper.group_key if hyper.group_key in said else hyper.symbol] == expected, (name, hyper.symbol)
        assert hypers.items() <= said.items()
    assert settings(optimizer="nesterov").stepped()["nesterov"]
    assert settings(hypers={"driver": "per_tensor"}).stepped()["driver"] == "per_tensor"
    own = settings(steps=10, optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1))
    assert own.stepped() == {}
    assert own.lines()[1] == "your optimizer"


def test_a_checkpoint_knows_every_setting_but_where_it_runs():
    described = settings(steps=10, optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1)).described()
    assert described["optimizer"] == "a function"
    assert described["steps"] == "10"
    assert not {"check", "device"} & set(described)
