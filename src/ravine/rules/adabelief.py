"""AdaBelief: Zhuang et al. (2020), Algorithm 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power, rectification, root


@final
class AdaBelief(Rule):
    """Adam that divides by how far gradients stray from their running mean, not by their size.

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) (g - m)^2 + eps
        p <- p - lr weight_decay p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    With `rectify`, RAdam's factor r scales the step and the last denominator is (sqrt(v) + eps) / sqrt(1 - beta2^t), or
    1 while r is unknown; see `RAdam`. State keys, as in the authors' code: m is `exp_avg`, v is `exp_avg_var`.

    Departures. From the paper: weight_decay, decoupled as in the authors' code. From the authors' code and timm: these
    rectify unless told otherwise; rectify=True is that form. From optax: none with its eps and eps_root both eps.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = AdaBelief(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.5, beta2=0.999, eps=0.0, weight_decay=0.0), 1)
        >>> round(rule.update(one, one, N(m=0 * one, v=0 * one), N(**c))[0].item(), 6)
        -0.2
    """

    name = "adabelief"
    citation = Citation(
        "Zhuang, Tang, Ding, et al.",
        2020,
        "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients",
        "arXiv:2010.07468",
    )
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the variance kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-16, 0.0, float("inf"), "added to the variance at each step, and to its root"),
        Hyper("weight_decay", 0.0, 0.0, float("inf"), "decoupled weight decay, multiplied by lr"),
    )
    flags = (Flag("rectify", "scale the first steps as RAdam does"),)
    slots = (Slot("m", "exp_avg"), Slot("v", "exp_avg_var", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        adapts, length, correct = 1.0, 1.0, 1.0 / root(1.0 - power(h.beta2, t))
        if self.on("rectify"):
            factor = rectification(h.beta2, t)
            adapts = choose(factor > 0.0, 1.0, 0.0)
            length = choose(factor > 0.0, factor / correct, 1.0)
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "step": h.lr / (1.0 - power(h.beta1, t)) * length,
            "correct": correct,
            "adapts": adapts,
            "plain": 1.0 - adapts,
            "eps": h.eps,
            "decay": h.lr * h.weight_decay,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        m = c.keep1 * s.m + c.take1 * g
        e = g - m
        v = c.keep2 * s.v + c.take2 * (e * e) + c.eps
        d = c.adapts * (v.sqrt() + c.eps) + c.plain if self.on("rectify") else v.sqrt() * c.correct + c.eps
        return -c.step * (m / d) - c.decay * p, {"m": m, "v": v}
