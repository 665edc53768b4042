"""Adamax: Kingma and Ba (2015), Algorithm 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import power


@final
class Adamax(Rule):
    """Adam with the largest recent gradient, fading by beta2 a step, in place of the root mean square.

        g <- g + l2 p
        m <- beta1 m + (1 - beta1) g
        u <- max(beta2 u, |g| + eps)
        p <- p - lr / (1 - beta1^t) * m / u

    torch names: m is `exp_avg`, u is `exp_inf`, l2 is `weight_decay`.

    Departures. From the paper: eps, without which a gradient of 0 gives 0 / 0, and l2. From torch and optax: none.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = Adamax(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.9, beta2=0.999, eps=0.0, l2=0.0), 1)
        >>> round(rule.update(one, -3 * one, N(m=0 * one, u=0 * one), N(**c))[0].item(), 6)
        0.1
    """

    name = "adamax"
    citation = Citation("Kingma, Ba", 2015, "Adam: a method for stochastic optimization", "arXiv:1412.6980, Algorithm 2")
    hypers = (
        Hyper("lr", 2e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the largest gradient kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the size of the gradient"),
        Hyper("l2", 0.0, 0.0, float("inf"), "coupled L2 coefficient, added to the gradient", key="weight_decay"),
    )
    flags = (Flag("coupled", "add the L2 term", of="l2"),)
    slots = (Slot("m", "exp_avg"), Slot("u", "exp_inf", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        step = h.lr / (1.0 - power(h.beta1, t))
        return {"keep1": h.beta1, "take1": 1.0 - h.beta1, "keep2": h.beta2, "step": step, "eps": h.eps, "l2": h.l2}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("coupled"):
            g = g + c.l2 * p
        m = c.keep1 * s.m + c.take1 * g
        u = (c.keep2 * s.u).maximum(g.abs() + c.eps)
        return -c.step * (m / u), {"m": m, "u": u}
