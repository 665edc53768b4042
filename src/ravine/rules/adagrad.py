"""Adagrad: Duchi, Hazan, Singer (2011), Algorithm 1 with diagonal matrices."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors


@final
class Adagrad(Rule):
    """Each coordinate's rate falls with the root of its summed squared gradients.

        g <- g + l2 p
        v <- v + g^2
        p <- p - lr / (1 + (t - 1) lr_decay) * g / (sqrt(v) + eps)

    torch names: v is `sum`, starting at `initial_accumulator_value`; l2 is `weight_decay`.

    Departures. From the paper: lr_decay (torch) and no projection. From optax and TensorFlow: those start v at 0.1
    and put eps = 1e-7 under the root.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> one = torch.ones(1)
        >>> Adagrad().update(one, one, N(v=0 * one), N(step=0.1, eps=1e-10))[0].item()
        -0.10000000149011612
    """

    name = "adagrad"
    citation = Citation(
        "Duchi, Hazan, Singer", 2011, "Adaptive subgradient methods for online learning and stochastic optimization", "JMLR 12"
    )
    hypers = (
        Hyper("lr", 1e-2, 0.0, float("inf"), "learning rate"),
        Hyper("lr_decay", 0.0, 0.0, float("inf"), "hyperbolic decay of the rate with the step"),
        Hyper("eps", 1e-10, 0.0, float("inf"), "added to the root of the sum"),
        Hyper("l2", 0.0, 0.0, float("inf"), "coupled L2 coefficient, added to the gradient", key="weight_decay"),
        Hyper("initial", 0.0, 0.0, float("inf"), "starting value of the sum", key="initial_accumulator_value"),
    )
    flags = (Flag("coupled", "add the L2 term", of="l2"),)
    slots = (Slot("v", "sum", fill="initial", unsigned=True),)

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {"step": h.lr / (1.0 + (t - 1) * h.lr_decay), "eps": h.eps, "l2": h.l2}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("coupled"):
            g = g + c.l2 * p
        v = s.v + g * g
        return -c.step * (g / (v.sqrt() + c.eps)), {"v": v}
