"""Float64 parity with optax and timm where they agree, and with transcriptions of the papers: 60 steps, changing lr, two groups."""

import importlib.util

import numpy as np
import pytest
import torch

from cases import CASES
from streams import give_gradients, parameters, rate

STEPS = 60
TOLERANCE = 1e-12


class ByOptax:
    """One parameter under optax: lr = 1 inside, the step's lr outside, so that lr stands where torch has it."""

    def __init__(self, case, settings):
        self.transformation = case.optax(settings)
        self.state = None

    def update(self, w, g, lr):
        if self.state is None:
            self.state = self.transformation.init(w)
        updates, self.state = self.transformation.update(g, self.state, w)
        return np.asarray(w + lr * updates)


class ByTimm:
    """One parameter under an optimizer of timm."""

    def __init__(self, case, settings):
        self.param = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.optimizer = case.timm(settings, [self.param])

    def update(self, w, g, lr):
        self.param.data, self.param.grad = torch.from_numpy(w.copy()), torch.from_numpy(g.copy())
        self.optimizer.param_groups[0]["lr"] = lr
        self.optimizer.step()
        return self.param.detach().numpy().copy()


class ByReference:
    """One parameter under a transcription of the paper."""

    def __init__(self, case, settings):
        self.function, self.settings, self.memory = case.reference, settings, {}

    def update(self, w, g, lr):
        return self.function(self.settings, w, g, self.memory, lr)


@pytest.mark.parametrize("case", [case for case in CASES if case.reference], ids=lambda case: case.id)
def test_equals_the_paper(case):
    compare(case, ByReference)


@pytest.mark.parametrize("case", [case for case in CASES if case.optax], ids=lambda case: case.id)
def test_equals_optax(case):
    jax = pytest.importorskip("jax", reason="jax is not installed")
    pytest.importorskip("optax", reason="optax is not installed")
    with jax.enable_x64(True):
        compare(case, ByOptax)


@pytest.mark.parametrize("case", [case for case in CASES if case.timm], ids=lambda case: case.id)
def test_equals_timm(case):
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    compare(case, ByTimm)


def test_every_rule_has_two_oracles():
    oracles = {}
    for case in CASES:
        found = {kind for kind in ("torch_class", "optax", "reference", "timm") if getattr(case, kind)} | set(case.whole)
        oracles[case.rule.name] = oracles.get(case.rule.name, set()) | found
    assert all(len(found) >= 2 for found in oracles.values()), oracles


def compare(case, oracle_class):
    """Run both for 60 steps; a parameter without a gradient is left out of the oracle's step, too."""
    ours = parameters(shapes=case.shapes or ((4, 3), (5,), (2, 1, 3)))
    optimizer = case.build(case.groups(ours[:2], ours[2:]))
    weights = [param.detach().numpy().copy() for param in ours]
    settings = [case.full, case.full, {**case.full, **case.other}]
    oracles = [oracle_class(case, given) for given in settings]
    peaks = [given["lr"] for given in settings]
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = (peaks[0] * rate(step), peaks[2] * rate(step))
        give_gradients(ours, step, skip=(1,) if step % 7 == 4 else ())
        grads = [None if param.grad is None else param.grad.numpy() for param in ours]
        optimizer.step()
        for index, grad in enumerate(grads):
            if grad is not None:
                weights[index] = oracles[index].update(weights[index], grad, peaks[index] * rate(step))
        size = max(np.abs(weight).max() for weight in weights)
        worst = max(np.abs(param.detach().numpy() - weight).max() for param, weight in zip(ours, weights, strict=True))
        assert worst / size <= TOLERANCE, f"step {step}"
