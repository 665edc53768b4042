import doctest
from types import SimpleNamespace as N

import numpy as np
import pytest
import torch

from ravine.rules import averaging, get

H = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "l2": 0.0, "ema_decay": 0.9}


def test_examples():
    result = doctest.testmod(averaging)
    assert result.attempted > 0
    assert result.failed == 0


def test_it_forgets_its_start_at_once_if_corrected():
    rule = get("sgd+ema").rule(ema_corrected=True)
    assert rule.scalars(N(**H), 1)["ema_take"] == pytest.approx(1.0)
    assert rule.scalars(N(**H), 2)["ema_take"] == pytest.approx(0.1 / (1 - 0.81))
    assert rule.scalars(N(**H), 1000)["ema_take"] == pytest.approx(0.1)


def test_it_keeps_little_of_the_average_at_first_if_warmed_up():
    rule = get("sgd+ema").rule(ema_warmup=True)
    takes = rule.scalars(N(**H), np.array([1, 8, 1000]))["ema_take"]
    assert takes.tolist() == pytest.approx([9 / 11, 0.5, 0.1])


def test_it_is_evaluated_at_the_average():
    rule = get("sgd+ema").rule()
    assert rule.is_averaging
    assert rule.evaluate(torch.zeros(1), N(ema_x=torch.ones(1)), N()).item() == 1.0
