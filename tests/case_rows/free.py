"""Rows of rules with a state of the whole model, of those that average, and of those that are given the curvature.

Their oracles step all weights of a model at once: built from the settings and the weights, stepped with gradients (None
where there is none), rates and, for Sophia, estimates of the curvature.
"""

import numpy as np
import pytest
import torch

from case_rows.case import Case
from references import dadaptation, prodigy, schedule_free, sophia


class ByOptax:
    """One parameter tree under an optimiser of `optax.contrib`, made anew for each step's rate; every gradient is there."""

    takes_missing = False

    def __init__(self, name, names, settings, weights):
        self.name, self.state, self.given = name, None, {names.get(key, key): settings[0][key] for key in names if key in settings[0]}
        self.betas = settings[0].get("betas")

    def make(self, lr):
        optax = pytest.importorskip("optax", reason="optax is not installed")
        return getattr(optax.contrib, self.name)(learning_rate=lr, **self.given)

    def step(self, weights, grads, lrs, estimates):
        transformation = self.make(max(lrs))
        if self.state is None:
            self.state = transformation.init(weights)
        updates, self.state = transformation.update(grads, self.state, weights)
        return [np.asarray(w + u) for w, u in zip(weights, updates, strict=True)]


class Apart:
    """Every weight under an oracle of its own."""

    takes_missing = True

    def __init__(self, make, settings, weights):
        self.oracles = [make([own], [w]) for own, w in zip(settings, weights, strict=True)]

    def step(self, weights, grads, lrs, estimates):
        result = []
        for index, (w, g) in enumerate(zip(weights, grads, strict=True)):
            own = [None if estimates is None else estimates[index]]
            result += [w] if g is None else self.oracles[index].step([w], [g], [lrs[index]], own)
        return result


class ByPackage:
    """Weights under an optimizer that is made for torch, one group a weight."""

    takes_missing = True

    def __init__(self, package, name, rename, settings, weights):
        module = pytest.importorskip(package, reason=f"{package} is not installed")
        self.params = [torch.nn.Parameter(torch.from_numpy(w.copy())) for w in weights]
        own = [{rename.get(key, key): value for key, value in given.items()} for given in settings]
        groups = [{"params": [p], **given} for p, given in zip(self.params, own, strict=True)]
        self.optimizer = getattr(module, name)(groups, **own[0])
        if hasattr(self.optimizer, "train"):
            self.optimizer.train()

    def step(self, weights, grads, lrs, estimates):
        for group, p, g, lr in zip(self.optimizer.param_groups, self.params, grads, lrs, strict=True):
            group["lr"], p.grad = lr, None if g is None else torch.from_numpy(g.copy())
        self.optimizer.step()
        return [p.detach().numpy().copy() for p in self.params]


class ByPaper:
    """All weights under a transcription of the paper."""

    takes_missing = True

    def __init__(self, make, settings, weights):
        self.oracle = make(settings)

    def step(self, weights, grads, lrs, estimates):
        return self.oracle.step(weights, grads, lrs)


class SophiaByPaper:
    """One weight under Sophia's transcription."""

    def __init__(self, settings, weights):
        self.settings, self.memory = settings[0], {}

    def step(self, weights, grads, lrs, estimates):
        return [sophia.update(self.settings, weights[0], grads[0], self.memory, lrs[0], estimates[0])]


class SophiaByOptax:
    """One weight under optax, whose correction of m's bias is undone in gamma, and whose estimate, due after a step, comes before it."""

    def __init__(self, settings, weights):
        self.settings, self.state, self.t = settings[0], None, 0

    def step(self, weights, grads, lrs, estimates):
        import jax.numpy as jnp
        import optax

        self.t += 1
        (b1, b2), given = self.settings["betas"], self.settings
        known = 1 - b1**self.t
        transformation = optax.contrib.sophia(
            lrs[0],
            b1,
            b2,
            given.get("eps", 1e-12) / known,
            given["weight_decay"],
            gamma=given["rho"] * given.get("bs", 1.0) / known,
            update_interval=10**6,
            hessian_diagonal_fn=optax.GradientTransformation(lambda _: (), lambda updates, state, params=None: (updates, state)),
        )
        w, g = jnp.asarray(weights[0]), jnp.asarray(grads[0])
        if self.state is None:
            self.state, self.nu = transformation.init(w), jnp.zeros_like(w)
        if estimates[0] is not None:
            self.nu = optax.tree.update_moment(jnp.asarray(estimates[0]), self.nu, b2, 1)
        updates, self.state = transformation.update(g, (self.state[0]._replace(nu=self.nu), *self.state[1:]), w)
        return [np.asarray(w + updates)]


def _optax(name, **names):
    return lambda settings, weights: ByOptax(name, names, settings, weights)


def _package(package, name, **rename):
    return lambda settings, weights: ByPackage(package, name, rename, settings, weights)


def _apart(make):
    return lambda settings, weights: Apart(make, settings, weights)


def _schedule_free_by_optax(name):
    names = {"weight_decay": "weight_decay", "weight_lr_power": "weight_lr_power", "eps": "eps", "momentum": "b1", "b1": "b1", "b2": "b2"}

    def make(settings, weights):
        given = dict(settings[0])
        if "betas" in given:
            given["b1"], given["b2"] = given.pop("betas")
        return ByOptax(name, names, [given], weights)

    return _apart(make)


_PRODIGY = _package("prodigyopt", "Prodigy")
_PRODIGY_BY_PAPER = {"paper": lambda settings, weights: ByPaper(prodigy.Oracle, settings, weights)}
_PRODIGY_BY_OPTAX = _optax(
    "prodigy",
    betas="betas",
    eps="eps",
    d0="estim_lr0",
    d_coef="estim_lr_coef",
    weight_decay="weight_decay",
    safeguard_warmup="safeguard_warmup",
)
_DADAPT_BY_PAPER = {"paper": lambda settings, weights: ByPaper(dadaptation.Oracle, settings, weights)}
_DADAPT_BY_OPTAX = _optax("dadapt_adamw", betas="betas", eps="eps", d0="estim_lr0", weight_decay="weight_decay")
_SGD_PACKAGE = _apart(_package("schedulefree", "SGDScheduleFree"))
_ADAMW_PACKAGE = _apart(_package("schedulefree", "AdamWScheduleFree"))
_CORRECTED = {"use_bias_correction": True, "d0": 1e-3, "weight_decay": 0.1}
_SOPHIA = {"paper": _apart(SophiaByPaper), "optax": _apart(SophiaByOptax)}

ROWS = (
    Case("prodigy", "prodigy", {"lr": 1.0, "d0": 1e-3}, {"eps": 1e-6}, whole={**_PRODIGY_BY_PAPER, "prodigyopt": _PRODIGY}),
    Case("prodigy-corrected", "prodigy", {"lr": 1.0, **_CORRECTED}, whole={**_PRODIGY_BY_PAPER, "optax": _PRODIGY_BY_OPTAX}),
    Case(
        "prodigy-everything",
        "prodigy",
        {
            "lr": 0.5,
            "betas": (0.8, 0.95),
            "weight_decay": 0.1,
            "decouple": False,
            "safeguard_warmup": True,
            "d0": 1e-2,
            "d_coef": 2.0,
            "growth_rate": 1.5,
        },
        {"weight_decay": 0.0},
        whole={**_PRODIGY_BY_PAPER, "prodigyopt": _PRODIGY},
    ),
    Case("dadapt_adam", "dadapt_adam", {"lr": 1.0, "d0": 1e-3, "weight_decay": 0.1}, {"layer_scale": 0.5}, whole=_DADAPT_BY_PAPER),
    Case(
        "dadapt_adam-corrected",
        "dadapt_adam",
        {"lr": 1.0, "decouple": True, "growth_rate": 1e30, **_CORRECTED},
        whole={**_DADAPT_BY_PAPER, "optax": _DADAPT_BY_OPTAX},
    ),
    Case(
        "dadapt_adam-growth",
        "dadapt_adam",
        {"lr": 1.0, "d0": 1e-2, "growth_rate": 1.1, "betas": (0.5, 0.9)},
        {"eps": 1e-4},
        whole=_DADAPT_BY_PAPER,
    ),
    Case(
        "schedule_free_sgd",
        "schedule_free_sgd",
        {"lr": 0.2},
        {"momentum": 0.5, "weight_decay": 0.1},
        reference=schedule_free.sgd,
        whole={"optax": _schedule_free_by_optax("schedule_free_sgd"), "schedulefree": _SGD_PACKAGE},
    ),
    Case(
        "schedule_free_sgd-everything",
        "schedule_free_sgd",
        {"lr": 0.2, "momentum": 0.7, "weight_decay": 0.1, "warmup_steps": 7.0, "r": 1.5, "weight_lr_power": 1.0},
        {"lr": 0.1},
        reference=schedule_free.sgd,
        whole={"schedulefree": _SGD_PACKAGE},
    ),
    Case(
        "schedule_free_sgd-plain",
        "schedule_free_sgd",
        {"lr": 0.2, "momentum": 0.0},
        {"weight_decay": 0.1},
        reference=schedule_free.sgd,
        note="the authors' package and optax have no momentum 0",
    ),
    Case(
        "schedule_free_adamw",
        "schedule_free_adamw",
        {"lr": 0.02, "weight_decay": 0.1},
        {"betas": (0.5, 0.9)},
        reference=schedule_free.adamw,
        whole={"optax": _schedule_free_by_optax("schedule_free_adamw"), "schedulefree": _ADAMW_PACKAGE},
    ),
    Case(
        "schedule_free_adamw-everything",
        "schedule_free_adamw",
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1, "warmup_steps": 7.0, "r": 1.0, "weight_lr_power": 0.0},
        {"weight_decay": 0.0},
        reference=schedule_free.adamw,
        whole={"schedulefree": _ADAMW_PACKAGE},
    ),
    Case(
        "sophia_g",
        "sophia_g",
        {"lr": 0.02, "betas": (0.8, 0.9), "rho": 0.5, "bs": 8.0, "weight_decay": 0.1},
        {"weight_decay": 0.0},
        whole=_SOPHIA,
    ),
    Case("sophia_h", "sophia_h", {"lr": 0.02, "betas": (0.8, 0.9), "rho": 0.5, "weight_decay": 0.1}, {"rho": 2.0}, whole=_SOPHIA),
)
