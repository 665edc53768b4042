"""Every schedule against torch and transformers at every step, wherever these are right."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as theirs

from ravine.optim import LRScheduler
from ravine.schedules import (
    REX,
    WSD,
    Between,
    Constant,
    Cosine,
    CosineRestarts,
    Cyclical,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    OneCycle,
    Piecewise,
    Polynomial,
    Step,
)

LR = 0.3


def sgd(lr=LR):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.9)


def rates(make, steps, optimizer=None, key="lr"):
    """A setting of an optimizer before each step under a scheduler."""
    optimizer = sgd() if optimizer is None else optimizer
    with warnings.catch_warnings():
        # torch's SequentialLR warns of its own way to step
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        found = []
        for _ in range(steps):
            found.append(float(optimizer.param_groups[0][key]))
            optimizer.step()
            scheduler.step()
    return np.array(found)


def cyclic(**settings):
    return lambda optimizer: theirs.CyclicLR(optimizer, base_lr=0.06, max_lr=LR, **settings)


def one_cycle(**settings):
    return lambda optimizer: theirs.OneCycleLR(optimizer, max_lr=LR, total_steps=97, **settings)


def warmed(first, second, at):
    return lambda optimizer: theirs.SequentialLR(optimizer, [first(optimizer), second(optimizer)], milestones=[at])


TORCH = {
    "constant": (Constant(horizon=97), lambda o: theirs.ConstantLR(o, 1.0)),
    "linear": (Linear(horizon=96, floor=0.1), lambda o: theirs.LinearLR(o, 1.0, 0.1, total_iters=96)),
    "cosine": (Cosine(horizon=97, floor=0.1), lambda o: theirs.CosineAnnealingLR(o, 97, eta_min=0.1 * LR)),
    "polynomial": (Polynomial(horizon=97, power=2.5), lambda o: theirs.PolynomialLR(o, 97, power=2.5)),
    "exponential": (Exponential(gamma=0.97, per=1), lambda o: theirs.ExponentialLR(o, 0.97)),
    "inverse_time": (InverseTime(decay_rate=0.5, per=10), lambda o: theirs.LambdaLR(o, lambda t: 1 / (1 + 0.5 * t / 10))),
    "step": (Step(step_size=10, gamma=0.5), lambda o: theirs.StepLR(o, 10, gamma=0.5)),
    "multistep": (MultiStep(milestones=(20, 20, 60), gamma=0.3), lambda o: theirs.MultiStepLR(o, [20, 20, 60], gamma=0.3)),
    "piecewise": (Piecewise(milestones=(30, 60), values=(1, 0.1, 0.01)), lambda o: theirs.MultiStepLR(o, [30, 60], gamma=0.1)),
    "restarts": (CosineRestarts(t_0=20, t_mult=1, floor=0.1), lambda o: theirs.CosineAnnealingWarmRestarts(o, 20, eta_min=0.1 * LR)),
    "restarts doubled": (CosineRestarts(t_0=7), lambda o: theirs.CosineAnnealingWarmRestarts(o, 7, T_mult=2)),
    "triangular": (Cyclical(step_size_up=10, floor=0.2), cyclic(step_size_up=10)),
    "triangular askew": (Cyclical(step_size_up=5, step_size_down=13, floor=0.2), cyclic(step_size_up=5, step_size_down=13)),
    "triangular2": (Cyclical(step_size_up=10, mode="triangular2", floor=0.2), cyclic(step_size_up=10, mode="triangular2")),
    "exp_range": (
        Cyclical(step_size_up=10, mode="exp_range", gamma=0.99, floor=0.2),
        cyclic(step_size_up=10, mode="exp_range", gamma=0.99),
    ),
    "one cycle": (OneCycle(horizon=97), one_cycle()),
    "one cycle in lines": (
        OneCycle(horizon=97, anneal_strategy="linear", pct_start=0.4, div_factor=10.0, final_div_factor=100.0),
        one_cycle(anneal_strategy="linear", pct_start=0.4, div_factor=10.0, final_div_factor=100.0),
    ),
    "one cycle of three phases": (OneCycle(horizon=97, three_phase=True), one_cycle(three_phase=True)),
    "linear warm-up": (
        Cosine(horizon=97).warmup(20, start=0.25),
        warmed(lambda o: theirs.LinearLR(o, 0.25, total_iters=20), lambda o: theirs.CosineAnnealingLR(o, 77), 20),
    ),
    "the usual warm-up": (
        Exponential(gamma=0.9, per=1).warmup(20),
        warmed(lambda o: theirs.LinearLR(o, 1 / 20, total_iters=19), lambda o: theirs.ExponentialLR(o, 0.9), 20),
    ),
    "constant warm-up": (
        Step(step_size=30).warmup(20, "constant"),
        warmed(lambda o: theirs.ConstantLR(o, 0.1, total_iters=20), lambda o: theirs.StepLR(o, 30), 20),
    ),
    "exponential warm-up": (
        Constant().warmup(20, "exponential", start=0.5**20),
        warmed(lambda o: theirs.LambdaLR(o, lambda t: 0.5 ** (20 - t)), lambda o: theirs.ConstantLR(o, 1.0), 20),
    ),
    "a chain": (
        Constant(horizon=30) >> Linear(horizon=40, floor=0.5) >> Exponential(gamma=0.9, per=1),
        lambda o: theirs.SequentialLR(
            o,
            [theirs.ConstantLR(o, 1.0), theirs.LinearLR(o, 1.0, 0.5, total_iters=40), theirs.ExponentialLR(o, 0.9)],
            milestones=[30, 70],
        ),
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_rates_are_torchs(name):
    schedule, make = TORCH[name]
    expected = rates(make, 97)
    np.testing.assert_allclose(LR * schedule(np.arange(97)), expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(rates(lambda o: LRScheduler(o, schedule), 97), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (OneCycle(horizon=97).momentum(), one_cycle()),
        (OneCycle(horizon=97, three_phase=True).momentum(0.7, 0.99), one_cycle(three_phase=True, base_momentum=0.7, max_momentum=0.99)),
        (Cyclical(step_size_up=10, floor=0.2).momentum(), cyclic(step_size_up=10)),
        (Cyclical(step_size_up=10, mode="triangular2").momentum(), cyclic(step_size_up=10, mode="triangular2")),
    ],
)
def test_momentum_is_torchs(schedule, make):
    expected = rates(make, 97, key="momentum")
    assert len(set(expected)) > 10
    np.testing.assert_allclose(schedule(np.arange(97)), expected, rtol=1e-12)
    np.testing.assert_allclose(rates(lambda o: LRScheduler(o, {"momentum": schedule}), 97, key="momentum"), expected, rtol=1e-12)


def hugging_face():
    """Name -> (schedule of ours, scheduler of theirs); their warm-up begins at zero."""
    hf = pytest.importorskip("transformers.optimization")
    long = {"num_warmup_steps": 20, "num_training_steps": 97}
    cosine = Cosine(horizon=97)
    stable = {"num_warmup_steps": 20, "num_decay_steps": 25, "num_training_steps": 120}
    wsd = WSD(horizon=120, decay=0.25, floor=0.1)
    return {
        "constant": (Constant(), hf.get_constant_schedule),
        "constant, warmed": (Constant().warmup(20, start=0.0), lambda o: hf.get_constant_schedule_with_warmup(o, 20)),
        "linear": (Linear(horizon=97).warmup(20, start=0.0), lambda o: hf.get_linear_schedule_with_warmup(o, 20, 97)),
        "cosine": (cosine.warmup(20, start=0.0), lambda o: hf.get_cosine_schedule_with_warmup(o, 20, 97)),
        "cosine to a floor": (
            Cosine(horizon=97, floor=0.1).warmup(20, start=0.0),
            lambda o: hf.get_cosine_with_min_lr_schedule_with_warmup(o, **long, min_lr_rate=0.1),
        ),
        "restarts": (
            CosineRestarts(horizon=98, t_mult=1, cycles=3).warmup(20, start=0.0),
            lambda o: hf.get_cosine_with_hard_restarts_schedule_with_warmup(o, 20, 98, num_cycles=3),
        ),
        "polynomial": (
            Polynomial(horizon=97, power=2.0, floor=0.1).warmup(20, start=0.0),
            lambda o: hf.get_polynomial_decay_schedule_with_warmup(o, 20, 97, lr_end=0.1 * LR, power=2.0),
        ),
        "inverse_sqrt": (InverseSqrt().warmup(20, start=0.0), lambda o: hf.get_inverse_sqrt_schedule(o, 20)),
        "inverse_sqrt on a scale": (
            InverseSqrt(timescale=50).warmup(20, start=0.0),
            lambda o: hf.get_inverse_sqrt_schedule(o, 20, timescale=50),
        ),
        "wsd, cosine": (
            WSD(horizon=120, decay=0.25, floor=0.1, fall="cosine").warmup(20, start=0.1),
            lambda o: hf.get_wsd_schedule(o, **stable, min_lr_ratio=0.1),
        ),
        "wsd, linear": (wsd.warmup(20, start=0.1), lambda o: hf.get_wsd_schedule(o, **stable, min_lr_ratio=0.1, decay_type="linear")),
        "wsd, 1-sqrt": (
            WSD(horizon=120, decay=0.25, fall="1-sqrt").warmup(20, start=0.0),
            lambda o: hf.get_wsd_schedule(o, **stable, decay_type="1-sqrt"),
        ),
    }


def test_rates_are_those_of_transformers():
    for name, (schedule, make) in hugging_face().items():
        expected = rates(make, 97)
        np.testing.assert_allclose(rates(lambda o, s=schedule: LRScheduler(o, s), 97), expected, rtol=1e-12, atol=1e-15, err_msg=name)


def test_ours_without_a_start_is_theirs_without_the_step_that_moves_nothing():
    hf = pytest.importorskip("transformers.optimization")
    expected = rates(lambda o: hf.get_constant_schedule_with_warmup(o, 20), 60)
    assert expected[0] == 0.0
    np.testing.assert_allclose(LR * Constant().warmup(20)(np.arange(59)), expected[1:], rtol=1e-12)


def test_noam_is_its_equation_over_its_peak():
    warmup, steps = 20, np.arange(200)
    noam = np.minimum(np.arange(1, 202) ** -0.5, np.arange(1, 202) * warmup**-1.5) / warmup**-0.5
    found = InverseSqrt().warmup(warmup)(steps)
    np.testing.assert_allclose(found[:warmup], noam[:warmup], rtol=1e-12)
    np.testing.assert_allclose(found[warmup:], noam[warmup - 1 : 199], rtol=1e-12, err_msg="the peak is held for one step more")


def test_rex_is_its_equation():
    x = np.arange(50) / 50
    np.testing.assert_allclose(REX(horizon=50)(np.arange(50)), (1 - x) / (0.5 + 0.5 * (1 - x)), rtol=1e-12)


def test_against_optax():
    optax = pytest.importorskip("optax")
    pairs = [
        (InverseTime(decay_rate=2.0, per=10), lambda t: 1 / (1 + 2.0 * t / 10), 1e-12),
        (Exponential(gamma=0.5, per=10), optax.exponential_decay(1.0, 10, 0.5), 1e-6),
        (Piecewise(milestones=(30, 60), values=(1, 0.5, 0.05)), optax.piecewise_constant_schedule(1.0, {30: 0.5, 60: 0.1}), 1e-6),
        (
            Piecewise(milestones=(30, 60), values=(1, 0.5, 0.05), interpolate=True),
            optax.piecewise_interpolate_schedule("linear", 1.0, {30: 0.5, 60: 0.1}),
            1e-6,
        ),
        (Cosine(horizon=90, floor=0.1), optax.cosine_decay_schedule(1.0, 90, alpha=0.1), 1e-6),
        (Polynomial(horizon=90, power=3.0, floor=0.1), optax.polynomial_schedule(1.0, 0.1, 3.0, 90), 1e-5),
    ]
    for ours, other, tolerance in pairs:
        expected = [float(other(step)) for step in range(90)]
        np.testing.assert_allclose(ours(np.arange(90)), expected, rtol=tolerance, err_msg=repr(ours))


def test_a_value_between_is_the_line_between():
    half = Between(Linear(horizon=4), at_zero=0.5, at_one=0.9)
    assert half(2) == pytest.approx(0.7)
    assert math.isclose(half(4), 0.5)
