"""Adan: Xie et al. (2022), Algorithm 1."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power, root


@final
class Adan(Rule):
    """Nesterov's momentum without the extra gradient: the change of the gradient has a running mean of its own.

        y  = g - b,   b <- g                                       (y = 0 at the first step)
        m <- beta1 m + (1 - beta1) g
        d <- beta2 d + (1 - beta2) y
        n <- beta3 n + (1 - beta3) (g + beta2 y)^2
        u  = (m / (1 - beta1^t) + beta2 d / (1 - beta2^t)) / (sqrt(n) / sqrt(1 - beta3^t) + eps)
        p <- (p - lr u) / (1 + lr weight_decay)                    or p - lr weight_decay p - lr u, if no_prox

    State keys, as in the authors' code: m is `exp_avg`, d is `exp_avg_diff`, n is `exp_avg_sq`, -b is `neg_pre_grad`.

    Departures. From the paper: its betas are one minus these; and as in the authors' code and timm all three means start
    at zero and are corrected, where Algorithm 1 starts m and n at g and g^2, d at its first y, and corrects nothing
    (`uncorrected`). From optax: it multiplies y and d by 1 - beta2, which stands for the paper's beta2 and so is not
    Adan.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = Adan(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.98, beta2=0.92, beta3=0.99, eps=0.0, weight_decay=0.0), 1)
        >>> round(rule.update(one, one, N(m=0 * one, d=0 * one, n=0 * one, b=0 * one), N(**c))[0].item(), 6)
        -0.1
    """

    name = "adan"
    citation = Citation(
        "Xie, Zhou, Li, Lin, Yan", 2022, "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models", "arXiv:2208.06677"
    )
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.98, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.92, 0.0, 1.0, "share of the mean change of the gradient kept at each step", key="betas", index=1, open_above=True),
        Hyper("beta3", 0.99, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=2, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the second moment"),
        Hyper("weight_decay", 0.0, 0.0, float("inf"), "decoupled weight decay, multiplied by lr"),
    )
    flags = (
        Flag("no_prox", "shrink the weights as AdamW does instead of dividing them"),
        Flag("uncorrected", "start the means at their first values, as the paper does, instead of correcting for zero"),
    )
    slots = (Slot("m", "exp_avg"), Slot("d", "exp_avg_diff"), Slot("n", "exp_avg_sq", unsigned=True), Slot("b", "neg_pre_grad"))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        keep1, keep2, keep3, step1, step2, correct = h.beta1, h.beta2, h.beta3, h.lr, h.lr * h.beta2, 1.0
        if self.on("uncorrected"):
            keep1, keep2, keep3 = choose(t == 1, 0.0, keep1), choose(t <= 2, 0.0, keep2), choose(t == 1, 0.0, keep3)
        else:
            step1, step2 = step1 / (1.0 - power(h.beta1, t)), step2 / (1.0 - power(h.beta2, t))
            correct = 1.0 / root(1.0 - power(h.beta3, t))
        decay, shrink = h.lr * h.weight_decay, 1.0
        if not self.on("no_prox"):
            shrink = 1.0 / (1.0 + decay)
            decay = decay * shrink
        return {
            "keep1": keep1,
            "take1": 1.0 - keep1,
            "keep2": keep2,
            "take2": 1.0 - keep2,
            "keep3": keep3,
            "take3": 1.0 - keep3,
            "ahead": h.beta2,
            "later": choose(t == 1, 0.0, 1.0),
            "step1": step1 * shrink,
            "step2": step2 * shrink,
            "correct": correct,
            "eps": h.eps,
            "decay": decay,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        y = c.later * (g + s.b)
        m = c.keep1 * s.m + c.take1 * g
        d = c.keep2 * s.d + c.take2 * y
        e = g + c.ahead * y
        n = c.keep3 * s.n + c.take3 * (e * e)
        delta = -(c.step1 * m + c.step2 * d) / (n.sqrt() * c.correct + c.eps) - c.decay * p
        return delta, {"m": m, "d": d, "n": n, "b": -g}
