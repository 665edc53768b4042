"""Adadelta: Zeiler (2012), Algorithm 1."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors


@final
class Adadelta(Rule):
    """The gradient in units of the parameter: times the running size of past changes, over that of past gradients.

        g <- g + l2 p
        v <- rho v + (1 - rho) g^2
        d  = sqrt(a + eps) / sqrt(v + eps) * g
        a <- rho a + (1 - rho) d^2
        p <- p - lr d

    torch names: v is `square_avg`, a is `acc_delta`, l2 is `weight_decay`.

    Departures. From the paper: lr, which it has not (lr = 1), and l2; its rho is 0.95, here torch's 0.9.
    From torch and optax: none.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> one = torch.ones(1)
        >>> c = N(lr=1.0, keep=0.75, take=0.25, eps=0.25)
        >>> round(Adadelta().update(one, one, N(v=0 * one, a=0 * one), c)[0].item(), 6)
        -0.707107
    """

    name = "adadelta"
    citation = Citation("Zeiler", 2012, "ADADELTA: an adaptive learning rate method", "arXiv:1212.5701")
    hypers = (
        Hyper("lr", 1.0, 0.0, float("inf"), "factor on the step"),
        Hyper("rho", 0.9, 0.0, 1.0, "share of the running averages kept at each step"),
        Hyper("eps", 1e-6, 0.0, float("inf"), "added inside both roots; its root sets the size of the first steps"),
        Hyper("l2", 0.0, 0.0, float("inf"), "coupled L2 coefficient, added to the gradient", key="weight_decay"),
    )
    flags = (Flag("coupled", "add the L2 term", of="l2"),)
    slots = (Slot("v", "square_avg", unsigned=True), Slot("a", "acc_delta", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {"lr": h.lr, "keep": h.rho, "take": 1.0 - h.rho, "eps": h.eps, "l2": h.l2}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("coupled"):
            g = g + c.l2 * p
        v = c.keep * s.v + c.take * (g * g)
        d = (s.a + c.eps).sqrt() / (v + c.eps).sqrt() * g
        return -c.lr * d, {"v": v, "a": c.keep * s.a + c.take * (d * d)}
