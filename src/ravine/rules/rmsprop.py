"""RMSprop: Tieleman and Hinton (2012), lecture 6.5; centred form: Graves (2013), equations 38-45."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose


@final
class RMSprop(Rule):
    """The gradient divided by a running root mean square of itself.

        g <- g + l2 p
        v <- alpha v + (1 - alpha) g^2
        a <- alpha a + (1 - alpha) g,   v' = v - a^2     if centered, else v' = v
        d  = g / (sqrt(v') + eps)                        g / sqrt(v' + eps), if eps_inside
        m <- momentum m + d,   d = m                     if momentum
        p <- p - lr d

    torch names: v is `square_avg`, a is `grad_avg`, m is `momentum_buffer`, l2 is `weight_decay`.

    Departures. From torch: v' is kept from falling below 0, which rounding can do in low precision when centred.
    From TensorFlow 1 and timm's RMSpropTF: eps stands outside the root, v starts at 0, and lr outside the buffer;
    `eps_inside`, `ones` (v starts at 1) and `lr_in_momentum` (m <- momentum m + lr d, p <- p - m) are their forms.
    From optax: that puts eps inside.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> one = torch.ones(1)
        >>> c = N(lr=0.1, keep=0.75, take=0.25, eps=0.0)
        >>> RMSprop().update(one, one, N(v=0 * one), c)[0].item()
        -0.20000000298023224
    """

    name = "rmsprop"
    citation = Citation(
        "Tieleman, Hinton", 2012, "Lecture 6.5: RMSprop, divide the gradient by a running average of its recent magnitude", "Coursera"
    )
    hypers = (
        Hyper("lr", 1e-2, 0.0, float("inf"), "learning rate"),
        Hyper("alpha", 0.99, 0.0, float("inf"), "share of the running averages kept at each step"),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root"),
        Hyper("momentum", 0.0, 0.0, float("inf"), "share of the update buffer kept at each step"),
        Hyper("l2", 0.0, 0.0, float("inf"), "coupled L2 coefficient, added to the gradient", key="weight_decay"),
    )
    flags = (
        Flag("buffered", "keep a momentum buffer of updates", of="momentum"),
        Flag("coupled", "add the L2 term", of="l2"),
        Flag("centered", "divide by the standard deviation instead of the root mean square"),
        Flag("eps_inside", "add eps under the root"),
        Flag("ones", "start the running mean of squares at 1"),
        Flag("lr_in_momentum", "multiply by lr before the momentum buffer"),
    )
    slots = (
        Slot("v", "square_avg", unsigned=True),
        Slot("m", "momentum_buffer", when="buffered"),
        Slot("a", "grad_avg", when="centered"),
    )

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {
            "lr": h.lr,
            "keep": h.alpha,
            "take": 1.0 - h.alpha,
            "eps": h.eps,
            "momentum": h.momentum,
            "l2": h.l2,
            "start": choose(t == 1, h.alpha, 0.0),
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("coupled"):
            g = g + c.l2 * p
        v = c.keep * s.v + c.take * (g * g)
        if self.on("ones"):
            v = v + c.start
        state = {"v": v}
        if self.on("centered"):
            state["a"] = c.keep * s.a + c.take * g
            v = (v - state["a"] * state["a"]).clamp_min(0.0)
        d = g / (v + c.eps).sqrt() if self.on("eps_inside") else g / (v.sqrt() + c.eps)
        if self.on("buffered") and self.on("lr_in_momentum"):
            state["m"] = c.momentum * s.m + c.lr * d
            return -state["m"], state
        if self.on("buffered"):
            d = state["m"] = c.momentum * s.m + d
        return -c.lr * d, state
