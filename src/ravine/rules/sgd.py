"""Stochastic gradient descent with momentum: Polyak (1964), Sutskever et al. (2013), section 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose


@final
class SGD(Rule):
    """Gradient descent, heavy ball, and Nesterov momentum.

        g <- g + l2 p                                (unless decoupled)
        m <- momentum m + (1 - dampening) g          (m = g at the first step)
        d  = g + momentum m   if nesterov,   m   if momentum,   g   otherwise
        p <- p - lr d                                (and - lr l2 p, if decoupled: SGDW)

    torch names: m is `momentum_buffer`, l2 is `weight_decay`.

    Departures. From Polyak and Sutskever: lr stands outside the buffer, as in torch, so that a change of lr acts
    at once. Nesterov takes the gradient at the current point, as torch and optax do. From torch: none; dampening
    is not applied at the first step, as in torch. SGDW (Loshchilov and Hutter, 2019, Algorithm 1) multiplies the decay
    by the schedule's factor alone and keeps lr inside the buffer; here, as in timm, it is multiplied by lr, outside.

    Example:
        >>> from types import SimpleNamespace as N
        >>> rule = SGD()
        >>> rule.update(2.0, 1.0, N(), N(lr=0.1, l2=0.0))[0]
        -0.1
    """

    name = "sgd"
    citation = Citation(
        "Sutskever, Martens, Dahl, Hinton", 2013, "On the importance of initialization and momentum in deep learning", "ICML 28(3)"
    )
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("momentum", 0.0, 0.0, float("inf"), "share of the buffer kept at each step"),
        Hyper("dampening", 0.0, float("-inf"), float("inf"), "share of the gradient kept out of the buffer"),
        Hyper("l2", 0.0, 0.0, float("inf"), "L2 coefficient, added to the gradient unless decoupled", key="weight_decay"),
    )
    flags = (
        Flag("buffered", "keep a momentum buffer", of="momentum"),
        Flag("decays", "there is an L2 coefficient", of="l2"),
        Flag("decoupled", "take the L2 term from the weights instead"),
        Flag("nesterov", "look ahead along the buffer"),
    )
    slots = (Slot("m", "momentum_buffer", when="buffered"),)

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        gain = choose(t == 1, 1.0, 1.0 - h.dampening)
        return {"lr": h.lr, "l2": h.l2, "decay": h.lr * h.l2, "momentum": h.momentum, "gain": gain}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("decays") and not self.on("decoupled"):
            g = g + c.l2 * p
        state = {"m": c.momentum * s.m + c.gain * g} if self.on("buffered") else {}
        d = state["m"] if self.on("buffered") else g
        if self.on("nesterov"):
            d = g + c.momentum * state["m"]
        delta = -c.lr * d
        if self.on("decays") and self.on("decoupled"):
            delta = delta - c.decay * p
        return delta, state
