"""Float64 parity of rules that look at the whole model, average or take the curvature: 60 steps, changing lr, missing gradients."""

import numpy as np
import pytest
import torch

from cases import CASES
from streams import give_gradients, parameters, rate, values

STEPS = 60
SHAPES = ((4, 3), (5,), (2, 1, 3))
TOLERANCE = 1e-11
PAIRS = [(case, name) for case in CASES for name in case.whole]


def estimates(step):
    """What is known of the curvature before a step: squares, or products of either sign."""
    generator = torch.Generator().manual_seed(50 + step)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


def inform(optimizer, case, params, step):
    """Give the optimizer a step's estimates, and say what they are; None where the step has none."""
    if "curvature" not in case.rule.needs or step % 10:
        return None
    found = estimates(step)
    if "labels" not in case.rule.needs:
        optimizer.update_curvature(products=found)
        return [one.numpy() for one in found]
    for param, gradient in zip(params, found, strict=True):
        param.grad = gradient
    optimizer.update_curvature()
    return [one.numpy() ** 2 for one in found]


@pytest.mark.parametrize(("case", "name"), PAIRS, ids=lambda value: getattr(value, "id", value))
def test_equals_the_oracle(case, name):
    jax = pytest.importorskip("jax", reason="jax is not installed")
    with jax.enable_x64(True):
        compare(case, case.whole[name])


def compare(case, make):
    ours = parameters(shapes=SHAPES)
    optimizer = case.build(case.groups(ours[:2], ours[2:]))
    settings = [case.full, case.full, {**case.full, **case.other}]
    weights = values_of(ours)
    oracle, peaks = make(settings, weights), [given["lr"] for given in settings]
    for step in range(STEPS):
        lrs = [peak * rate(step) for peak in peaks]
        optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = lrs[0], lrs[2]
        found = inform(optimizer, case, ours, step)
        give_gradients(ours, step, skip=(1,) if step % 7 == 4 and getattr(oracle, "takes_missing", True) else ())
        grads = [None if param.grad is None else param.grad.numpy().copy() for param in ours]
        optimizer.step()
        weights = oracle.step(weights, grads, lrs, found)
        size = max(np.abs(weight).max() for weight in weights)
        worst = max(np.abs(param - weight).max() for param, weight in zip(values_of(ours), weights, strict=True))
        assert worst / size <= TOLERANCE, f"step {step}: {worst / size:.1e}"
    assert max(np.abs(a - b).max() for a, b in zip(values_of(ours), values_of(parameters(shapes=SHAPES)), strict=True)) > 1e-2


def values_of(params):
    return [value.numpy() for value in values(params)]


def test_a_group_at_rate_0_takes_no_part_in_the_distance():
    for name in ("prodigy", "dadapt_adam"):
        case = next(case for case in CASES if case.id == name)
        alone, beside = parameters(shapes=SHAPES[:1]), parameters(shapes=SHAPES)
        one, two = case.build(alone), case.build([{"params": beside[1:], "lr": 0.0, "weight_decay": 0.3}, {"params": beside[:1]}])
        start = values(beside[1:])
        for step in range(10):
            give_gradients(beside, step)
            alone[0].grad = beside[0].grad.clone()
            one.step()
            two.step()
        assert torch.equal(alone[0], beside[0])
        assert all(torch.equal(a, b) for a, b in zip(start, beside[1:], strict=True))
        assert torch.equal(one.param_groups[0]["d"], two.param_groups[0]["d"])
