"""How far each optimiser ends up from its oracles: 60 steps in float64, lr changing at every step, two groups, missing gradients.

Every function runs ours beside one oracle and returns the largest difference at any step, as a share of the largest weight.
`tests/parity` holds it below a tolerance; docs/parity.md prints it.
"""

import importlib.util
from contextlib import nullcontext

import numpy as np
import torch

from ravine import optim
from streams import SHAPES, give_gradients, parameters, rate, values

STEPS = 60
TOLERANCE = 1e-12
WHOLE_TOLERANCE = 1e-11
"""Of oracles that step the whole model, whose sums over it are taken in another order."""
SMALL = ((4, 3), (5,), (2, 1, 3))
WEIGHTS_APART = {"optax": "optax", "timm": "timm", "paper": "reference"}
"""Oracles that step one weight at a time -> the attribute of a row that makes them."""


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


KINDS = {"optax": ByOptax, "timm": ByTimm, "paper": ByReference}


def has(package):
    """Whether an oracle's package is installed."""
    return importlib.util.find_spec(package) is not None


def in_float64():
    """What JAX needs to compute in float64; nothing where it is not installed."""
    if not has("jax"):
        return nullcontext()
    import jax

    return jax.enable_x64(True)


def arrays(params):
    return [value.numpy() for value in values(params)]


def share(ours, theirs):
    """The largest difference as a share of the largest weight."""
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(ours, theirs, strict=True) if np.size(b)]
    return float(max(np.abs(a - b).max() for a, b in pairs) / max(np.abs(b).max() for _, b in pairs))


def check_moved(params, shapes):
    """A run in which nothing moves compares nothing."""
    assert share(arrays(params), arrays(parameters(shapes=shapes))) > 1e-2


def from_torch(case, driver="foreach"):
    """Beside the namesake in `torch.optim`."""
    shapes = case.shapes or SHAPES
    ours, theirs = (parameters(shapes) for _ in range(2))
    mine = case.build(case.groups(ours[:2], ours[2:]), driver=driver)
    oracle = case.torch_class(case.groups(theirs[:2], theirs[2:]), **case.full)
    peaks, worst = [group["lr"] for group in oracle.param_groups], 0.0
    for step in range(STEPS):
        for optimizer in (mine, oracle):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * rate(step)
        for params in (ours, theirs):
            give_gradients(params, step, skip=(1, 3) if step % 7 == 4 else ())
        mine.step()
        oracle.step()
        worst = max(worst, share(arrays(ours), arrays(theirs)))
    check_moved(ours, shapes)
    return worst


def from_weights_apart(case, kind):
    """Beside an oracle for every weight; one without a gradient is left out of the oracle's step, too."""
    shapes = case.shapes or SMALL
    ours = parameters(shapes=shapes)
    optimizer = case.build(case.groups(ours[:2], ours[2:]))
    weights, worst = arrays(ours), 0.0
    settings = [case.full, case.full, {**case.full, **case.other}]
    peaks = [given["lr"] for given in settings]
    with in_float64():
        oracles = [KINDS[kind](case, given) for given in settings]
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = (peaks[0] * rate(step), peaks[2] * rate(step))
            give_gradients(ours, step, skip=(1,) if step % 7 == 4 else ())
            grads = [None if param.grad is None else param.grad.numpy() for param in ours]
            optimizer.step()
            for index, grad in enumerate(grads):
                if grad is not None:
                    weights[index] = oracles[index].update(weights[index], grad, peaks[index] * rate(step))
            worst = max(worst, share(arrays(ours), weights))
    check_moved(ours, shapes)
    return worst


def estimates(step):
    """What is known of the curvature before a step: squares, or products of either sign."""
    generator = torch.Generator().manual_seed(50 + step)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SMALL]


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


def from_whole(case, name):
    """Beside an oracle that steps all weights of a model at once."""
    ours = parameters(shapes=SMALL)
    optimizer = case.build(case.groups(ours[:2], ours[2:]))
    settings = [case.full, case.full, {**case.full, **case.other}]
    weights, worst = arrays(ours), 0.0
    with in_float64():
        oracle, peaks = case.whole[name](settings, weights), [given["lr"] for given in settings]
        for step in range(STEPS):
            lrs = [peak * rate(step) for peak in peaks]
            optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = lrs[0], lrs[2]
            found = inform(optimizer, case, ours, step)
            give_gradients(ours, step, skip=(1,) if step % 7 == 4 and getattr(oracle, "takes_missing", True) else ())
            grads = [None if param.grad is None else param.grad.numpy().copy() for param in ours]
            optimizer.step()
            weights = oracle.step(weights, grads, lrs, found)
            worst = max(worst, share(arrays(ours), weights))
    check_moved(ours, SMALL)
    return worst


MUON_SHAPES = ((4, 3), (3, 4), (5, 5))
MUON_SETTINGS = (
    {"lr": 0.05, "eps": 1e-30},
    {"lr": 0.02, "eps": 1e-3, "eps_floor": True, "weight_decay": 0.3, "nesterov": False},
    {"lr": 0.05, "eps": 1e-30, "adjust_lr_fn": "match_rms_adamw", "momentum": 0.8, "ns_coefficients": (3.0, -3.2, 1.2)},
)


def torchs_muon(params, settings):
    """torch's Muon, without the settings that it has not."""
    return torch.optim.Muon(params, **{key: value for key, value in settings.items() if key not in ("eps_floor", "half_precision")})


def muon_from_torch(settings):
    """Beside torch's Muon in float64: what it calls to round to bfloat16 only copies meanwhile."""
    rounding, worst = torch.Tensor.bfloat16, 0.0
    torch.Tensor.bfloat16 = torch.Tensor.clone
    try:
        ours, theirs = parameters(MUON_SHAPES), parameters(MUON_SHAPES)
        mine, oracle = optim.Muon(ours, **settings), torchs_muon(theirs, settings)
        for step in range(STEPS):
            for params, optimizer in ((ours, mine), (theirs, oracle)):
                optimizer.param_groups[0]["lr"] = settings["lr"] * rate(step)
                give_gradients(params, step, skip=(1,) if step % 7 == 4 else ())
                optimizer.step()
            worst = max(worst, share(arrays(ours), arrays(theirs)))
    finally:
        torch.Tensor.bfloat16 = rounding
    check_moved(ours, MUON_SHAPES)
    return worst
