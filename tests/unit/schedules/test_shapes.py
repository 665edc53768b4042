"""Known answers of the shapes over the whole horizon, and an independent oracle."""

import math

import numpy as np
import pytest
import torch

from ravine.base.errors import InputError, UnknownNameError
from ravine.schedules import REX, WSD, Constant, Cosine, Linear, Polynomial, create


def torch_rates(make, steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def test_constant():
    assert Constant(horizon=5)(np.arange(5)).tolist() == [1.0] * 5


def test_linear_against_torch():
    theirs = torch_rates(lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=50), 50)
    np.testing.assert_allclose(Linear(horizon=50, floor=0.1)(np.arange(50)), theirs, rtol=1e-13)


def test_cosine_against_torch():
    theirs = torch_rates(lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50, eta_min=0.1), 50)
    np.testing.assert_allclose(Cosine(horizon=50, floor=0.1)(np.arange(50)), theirs, rtol=1e-13)


def test_cosine_known_answers():
    cosine = Cosine(horizon=12)
    assert cosine(0) == 1.0
    assert cosine(4) == pytest.approx(0.75, abs=1e-15)
    assert cosine(6) == pytest.approx(0.5, abs=1e-15)
    assert cosine(11) == (1 + math.cos(math.pi * (11 / 12))) / 2
    assert cosine(12) == 0.0


def test_wsd_against_torch():
    def make(optimizer):
        scheduler = torch.optim.lr_scheduler
        parts = [scheduler.ConstantLR(optimizer, 1.0, 40), scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=10)]
        return scheduler.SequentialLR(optimizer, parts, milestones=[40])

    np.testing.assert_allclose(WSD(horizon=50, floor=0.1)(np.arange(50)), torch_rates(make, 50), rtol=1e-13)


def test_wsd_known_answers():
    wsd = WSD(horizon=1000)
    assert [wsd(step) for step in (0, 500, 800, 900, 1000)] == pytest.approx([1.0, 1.0, 1.0, 0.5, 0.0], abs=1e-15)
    assert wsd(801) < 1.0
    assert WSD(horizon=9, decay=1.0)(np.arange(9)).tolist() == Linear(horizon=9)(np.arange(9)).tolist()
    warmed = WSD(decay=0.5).warmup(4)(np.arange(12), horizon=12)
    assert warmed.tolist() == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25], "the share is of the way after the warm-up"


@pytest.mark.parametrize("decay", [0.0, 1.5, float("nan"), "long"])
def test_a_decay_outside_zero_to_one(decay):
    with pytest.raises(InputError, match="decay="):
        create("wsd", decay=decay)


def test_a_floor_of_one_is_constant():
    for kind in (Linear, Cosine, WSD, Polynomial, REX):
        assert kind(horizon=9, floor=1.0)(np.arange(9)).tolist() == [1.0] * 9


@pytest.mark.parametrize("floor", [-0.1, 1.5, float("nan"), "low"])
def test_a_floor_outside_zero_to_one(floor):
    with pytest.raises(InputError, match="floor="):
        create("cosine", floor=floor)


def test_the_falls_of_wsd():
    steps = [75, 84, 99]
    found = {fall: WSD(horizon=100, decay=0.25, fall=fall)(steps) for fall in ("linear", "cosine", "1-sqrt")}
    done = [0.0, 9 / 25, 24 / 25]
    assert found["linear"] == pytest.approx([1 - u for u in done])
    assert found["cosine"] == pytest.approx([(1 + math.cos(math.pi * u)) / 2 for u in done])
    assert found["1-sqrt"] == pytest.approx([1 - math.sqrt(u) for u in done])
    with pytest.raises(UnknownNameError, match="no fall of 'wsd' is called 'sqrt'; did you mean '1-sqrt'"):
        WSD(fall="sqrt")


def test_polynomial_known_answers():
    assert Polynomial(horizon=4, power=3.0, floor=0.5)([0, 2, 4]).tolist() == [1.0, 0.5625, 0.5]
    assert Polynomial(horizon=9, power=1)(np.arange(9)).tolist() == Linear(horizon=9)(np.arange(9)).tolist()
    for power in (0.0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="power="):
            Polynomial(power=power)


def test_rex_is_above_the_line_and_meets_it_at_both_ends():
    rex, line = REX(horizon=30)(np.arange(31)), Linear(horizon=30)(np.arange(31))
    assert (rex[1:-1] > line[1:-1]).all()
    assert (rex[0], rex[-1]) == (1.0, 0.0)
    assert REX(horizon=4)(2) == pytest.approx(2 / 3)
