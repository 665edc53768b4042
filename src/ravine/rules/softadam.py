"""SoftAdam: Fetterman, Kim, Albrecht (2019), as in the authors' code."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, root


@final
class SoftAdam(Rule):
    """Between SGD with momentum (eta = 0) and Adam with one rate per tensor (eta large), on the scale of SGD's rates.

        b  = min(beta2, 1 - 1 / t),   e = eta sqrt((1 - beta2) / (1 - b))
        m <- beta1 m + (1 - beta1) g
        v <- b v + (1 - b) g^2
        d  = beta1 m + (1 - beta1) g   if nesterov, else m
        p <- p - lr weight_decay p - lr (1 + eta) d / (1 + eta - e + e sqrt(v / (mean(v) + eps^2)))

    mean(v) is over the tensor. State keys, as in the authors' code: m is `exp_avg`, v is `exp_avg_sq`.

    Departures. From the code of the first author (abefetterman/softadam, 2019): nesterov is on there unless told otherwise,
    as it is under the registry's name. From the paper: not known; its text could not be consulted.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = SoftAdam(), torch.ones(3)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.5, beta2=0.999, eta=0.0, eps=1e-8, weight_decay=0.0), 1)
        >>> round(rule.update(one, one, N(m=0 * one, v=0 * one), N(**c))[0][0].item(), 6)
        -0.05
    """

    name = "softadam"
    citation = Citation(
        "Fetterman, Kim, Albrecht", 2019, "SoftAdam: unifying SGD and Adam for better stochastic gradient descent", "OpenReview Skgfr1rYDH"
    )
    hypers = (
        Hyper("lr", 1e-1, 0.0, float("inf"), "learning rate, on the scale of SGD's"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eta", 1.0, 0.0, float("inf"), "how far towards Adam: 0 is SGD with momentum"),
        Hyper("eps", 1e-8, 0.0, float("inf"), "its square is added to the mean second moment"),
        Hyper("weight_decay", 0.0, 0.0, float("inf"), "decoupled weight decay, multiplied by lr"),
    )
    flags = (Flag("nesterov", "look ahead along the first moment"),)
    slots = (Slot("m", "exp_avg"), Slot("v", "exp_avg_sq", unsigned=True))
    granularity = "tensor"

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        mean = 1.0 - 1.0 / t
        keep2 = choose(h.beta2 < mean, h.beta2, mean)
        adapts = h.eta * root((1.0 - h.beta2) / (1.0 - keep2))
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": keep2,
            "take2": 1.0 - keep2,
            "adapts": adapts,
            "plain": 1.0 + h.eta - adapts,
            "step": h.lr * (1.0 + h.eta),
            "floor": h.eps * h.eps,
            "decay": h.lr * h.weight_decay,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        m = c.keep1 * s.m + c.take1 * g
        v = c.keep2 * s.v + c.take2 * (g * g)
        d = m
        if self.on("nesterov"):
            d = c.keep1 * m + c.take1 * g
        spread = (v / (v.mean() + c.floor)).sqrt()
        return -c.step * (d / (c.adapts * spread + c.plain)) - c.decay * p, {"m": m, "v": v}
