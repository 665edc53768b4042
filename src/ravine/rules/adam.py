"""Adam: Kingma and Ba (2015), Algorithm 1; AMSGrad: Reddi, Kale, Kumar (2018), Algorithm 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import power, root


@final
class Adam(Rule):
    """The first moment divided by the root of the second, both corrected for their start at zero.

        g <- g + l2 p
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        w <- max(w, v),   v' = w                                   if amsgrad, else v' = v
        p <- p - lr / (1 - beta1^t) * m / (sqrt(v') / sqrt(1 - beta2^t) + eps)

    torch names: m is `exp_avg`, v is `exp_avg_sq`, w is `max_exp_avg_sq`, l2 is `weight_decay`.

    Departures. From the paper: none. AMSGrad follows torch: the maximum is over the uncorrected v and is corrected
    afterwards. optax takes it over the corrected v (`corrected_maximum`); the paper corrects neither moment, so that
    neither form is its own. l2 enters both moments; see `AdamW` for decoupled decay.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = Adam(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.9, beta2=0.999, eps=0.0, l2=0.0), 1)
        >>> round(rule.update(one, one, N(m=0 * one, v=0 * one), N(**c))[0].item(), 6)
        -0.1
    """

    name = "adam"
    citation = Citation("Kingma, Ba", 2015, "Adam: a method for stochastic optimization", "arXiv:1412.6980")
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the corrected second moment"),
        Hyper("l2", 0.0, 0.0, float("inf"), "coupled L2 coefficient, added to the gradient", key="weight_decay"),
    )
    flags = (
        Flag("coupled", "add the L2 term", of="l2"),
        Flag("amsgrad", "divide by the largest second moment so far"),
        Flag("corrected_maximum", "take that maximum over the corrected second moments"),
    )
    slots = (Slot("m", "exp_avg"), Slot("v", "exp_avg_sq", unsigned=True), Slot("w", "max_exp_avg_sq", when="amsgrad", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "step": h.lr / (1.0 - power(h.beta1, t)),
            "correct": 1.0 / root(1.0 - power(h.beta2, t)),
            "inflate": 1.0 / (1.0 - power(h.beta2, t)),
            "eps": h.eps,
            "l2": h.l2,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("coupled"):
            g = g + c.l2 * p
        m = c.keep1 * s.m + c.take1 * g
        v = c.keep2 * s.v + c.take2 * (g * g)
        state = {"m": m, "v": v}
        if self.on("corrected_maximum"):
            v = v * c.inflate
        if self.on("amsgrad"):
            v = state["w"] = s.w.maximum(v)
        root_v = v.sqrt() if self.on("corrected_maximum") else v.sqrt() * c.correct
        return -c.step * (m / (root_v + c.eps)), state
