"""Lion: Chen et al. (2023), Algorithm 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Hyper, Rule, Scalar, Slot, State, Tensors


@final
class Lion(Rule):
    """The sign of an interpolated momentum: every coordinate moves by exactly lr.

        d  = sign(beta1 m + (1 - beta1) g)            (sign(0) = 0)
        p <- p - lr (d + weight_decay p)
        m <- beta2 m + (1 - beta2) g

    State key: m is `exp_avg`, as in timm and the authors' code.

    Departures. From the paper: none; weight_decay defaults to 0 as in the authors' code (optax: 1e-3). Its good
    lr lies 3 to 10 times below Adam's.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = Lion(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.5, beta1=0.9, beta2=0.99, weight_decay=0.0), 1)
        >>> rule.update(one, -3 * one, N(m=0 * one), N(**c))[0].item()
        0.5
    """

    name = "lion"
    citation = Citation("Chen, Liang, Huang, Real, Wang, et al.", 2023, "Symbolic discovery of optimization algorithms", "arXiv:2302.06675")
    hypers = (
        Hyper("lr", 1e-4, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the momentum in the direction", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.99, 0.0, 1.0, "share of the momentum kept at each step", key="betas", index=1, open_above=True),
        Hyper("weight_decay", 0.0, 0.0, float("inf"), "decoupled weight decay, multiplied by lr"),
    )
    slots = (Slot("m", "exp_avg"),)

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {
            "lr": h.lr,
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "decay": h.lr * h.weight_decay,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        d = (c.keep1 * s.m + c.take1 * g).sign()
        return -c.lr * d - c.decay * p, {"m": c.keep2 * s.m + c.take2 * g}
