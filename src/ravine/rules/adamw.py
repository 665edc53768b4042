"""AdamW: Loshchilov and Hutter (2019), Algorithm 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power, root


@final
class AdamW(Rule):
    """Adam with weight decay applied to the weights, not to the gradient.

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        w <- max(w, v),   v' = w                                   if amsgrad, else v' = v
        p <- p - lr weight_decay p - lr / (1 - beta1^t) * m / (sqrt(v') / sqrt(1 - beta2^t) + eps)

    torch names: m is `exp_avg`, v is `exp_avg_sq`, w is `max_exp_avg_sq`.

    Departures. From the paper: as in torch, the decay is multiplied by lr, not by the schedule's factor alone; with
    `schedule_decay` (`decoupled="schedule"` of the class) it is multiplied by that factor, lr over the peak lr, as in
    Algorithm 2, and a sweep of lr does not sweep the decay. From optax: default weight_decay is torch's 1e-2 (optax 1e-4);
    `corrected_maximum` as in `Adam`.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = AdamW(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.9, beta2=0.999, eps=0.0, weight_decay=0.5), 1)
        >>> round(rule.update(one, one, N(m=0 * one, v=0 * one), N(**c))[0].item(), 6)
        -0.15
    """

    name = "adamw"
    citation = Citation("Loshchilov, Hutter", 2019, "Decoupled weight decay regularization", "arXiv:1711.05101")
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the corrected second moment"),
        Hyper("weight_decay", 1e-2, 0.0, float("inf"), "decoupled weight decay, multiplied by lr unless schedule_decay"),
    )
    flags = (
        Flag("amsgrad", "divide by the largest second moment so far"),
        Flag("corrected_maximum", "take that maximum over the corrected second moments"),
        Flag("schedule_decay", "multiply the decay by the schedule's factor alone, not by lr"),
    )
    slots = (Slot("m", "exp_avg"), Slot("v", "exp_avg_sq", unsigned=True), Slot("w", "max_exp_avg_sq", when="amsgrad", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        factor = h.lr
        if self.on("schedule_decay"):
            factor = h.lr / choose(h.peak_lr == 0, 1.0, h.peak_lr)
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "step": h.lr / (1.0 - power(h.beta1, t)),
            "correct": 1.0 / root(1.0 - power(h.beta2, t)),
            "inflate": 1.0 / (1.0 - power(h.beta2, t)),
            "eps": h.eps,
            "decay": factor * h.weight_decay,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        m = c.keep1 * s.m + c.take1 * g
        v = c.keep2 * s.v + c.take2 * (g * g)
        state = {"m": m, "v": v}
        if self.on("corrected_maximum"):
            v = v * c.inflate
        if self.on("amsgrad"):
            v = state["w"] = s.w.maximum(v)
        root_v = v.sqrt() if self.on("corrected_maximum") else v.sqrt() * c.correct
        return -c.step * (m / (root_v + c.eps)) - c.decay * p, state
