"""ADOPT: Taniguchi et al. (2024), Algorithm 2 and its clipped form."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power


@final
class ADOPT(Rule):
    """Adam that divides each gradient by what was known before it, and only then takes the mean.

        g <- g + l2 p                                              (unless decoupled)
        at t = 1:   v = g^2, and nothing moves
        afterwards:
        d  = g / max(sqrt(v), eps),   kept within -(t - 1)^clip ... (t - 1)^clip   (unless unclipped)
        m <- beta1 m + (1 - beta1) d
        p <- p - lr m                                              (and - lr l2 p, if decoupled)
        v <- beta2 v + (1 - beta2) g^2

    State keys, as in the authors' code: m is `exp_avg`, v is `exp_avg_sq`; l2 is `weight_decay`.

    Departures. From the paper: none; clipping, which it recommends, is on as in the authors' code and optax. From timm:
    its clip is 0.333. From optax: none; it has no decay.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = ADOPT(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.5, beta2=0.9999, eps=1e-6, l2=0.0, clip=0.25), 2)
        >>> round(rule.update(one, 3 * one, N(m=0 * one, v=one), N(**c))[0].item(), 6)
        -0.05
    """

    name = "adopt"
    citation = Citation(
        "Taniguchi, Harada, Minegishi, et al.",
        2024,
        "ADOPT: modified Adam can converge with any beta2 with the optimal rate",
        "arXiv:2411.02853",
    )
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.9999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-6, 0.0, float("inf"), "least value of the root of the second moment"),
        Hyper("l2", 0.0, 0.0, float("inf"), "L2 coefficient, added to the gradient unless decoupled", key="weight_decay"),
        Hyper("clip", 0.25, 0.0, float("inf"), "exponent with which the bound of a normalised gradient grows"),
    )
    flags = (
        Flag("decays", "there is an L2 coefficient", of="l2"),
        Flag("decoupled", "take the L2 term from the weights instead"),
        Flag("unclipped", "do not bound the normalised gradient"),
    )
    slots = (Slot("m", "exp_avg"), Slot("v", "exp_avg_sq", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        is_first = t == 1
        keep2 = choose(is_first, 0.0, h.beta2)
        return {
            "keep1": h.beta1,
            "take1": choose(is_first, 0.0, 1.0 - h.beta1),
            "keep2": keep2,
            "take2": 1.0 - keep2,
            # The first gradient is divided by 1: its quotient is not used, and 0 / 0 would be felt all the same.
            "eps": choose(is_first, 1.0, h.eps),
            "limit": power(t - 1.0, h.clip),
            "lr": h.lr,
            "l2": h.l2,
            "decay": choose(is_first, 0.0, h.lr * h.l2),
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("decays") and not self.on("decoupled"):
            g = g + c.l2 * p
        d = g / s.v.sqrt().clamp_min(c.eps)
        if not self.on("unclipped"):
            d = d.clamp_min(-c.limit).clamp_max(c.limit)
        m = c.keep1 * s.m + c.take1 * d
        delta = -c.lr * m
        if self.on("decays") and self.on("decoupled"):
            delta = delta - c.decay * p
        return delta, {"m": m, "v": c.keep2 * s.v + c.take2 * (g * g)}
