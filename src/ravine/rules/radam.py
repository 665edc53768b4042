"""RAdam: Liu et al. (2020), Algorithm 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power, rectification, root


@final
class RAdam(Rule):
    """Adam whose first steps are shortened by how little the second moment is known, and are plain momentum before.

        g <- g + l2 p                                              (unless decoupled)
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        n  = 2 / (1 - beta2) - 1,   n_t = n - 2 t beta2^t / (1 - beta2^t)
        r  = sqrt((n_t - 4) (n_t - 2) n / ((n - 4) (n - 2) n_t))   where n_t > 5
        p <- p - lr / (1 - beta1^t) * r sqrt(1 - beta2^t) * m / (sqrt(v) + eps)   where n_t > 5
        p <- p - lr / (1 - beta1^t) * m                            elsewhere
        p <- p - lr l2 p                                           (if decoupled)

    torch names: m is `exp_avg`, v is `exp_avg_sq`, l2 is `weight_decay`.

    Departures. From the paper: its threshold is 4; torch's is 5, as in the authors' code (optax: at least 5). From
    torch: none. From optax: eps is added to the uncorrected root. With beta2 = 0.999 the first five steps are plain.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = RAdam(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.9, beta2=0.999, eps=0.0, l2=0.0), 1)
        >>> round(rule.update(one, -3 * one, N(m=0 * one, v=0 * one), N(**c))[0].item(), 6)
        0.3
    """

    name = "radam"
    citation = Citation(
        "Liu, Jiang, He, Chen, Liu, Gao, Han", 2020, "On the variance of the adaptive learning rate and beyond", "arXiv:1908.03265"
    )
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the second moment"),
        Hyper("l2", 0.0, 0.0, float("inf"), "L2 coefficient, added to the gradient unless decoupled", key="weight_decay"),
    )
    flags = (
        Flag("decays", "there is an L2 coefficient", of="l2"),
        Flag("decoupled_weight_decay", "take the L2 term from the weights instead"),
    )
    slots = (Slot("m", "exp_avg"), Slot("v", "exp_avg_sq", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        factor = rectification(h.beta2, t)
        adapts = choose(factor > 0.0, 1.0, 0.0)
        length = choose(factor > 0.0, factor * root(1.0 - power(h.beta2, t)), 1.0)
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "step": h.lr / (1.0 - power(h.beta1, t)) * length,
            "adapts": adapts,
            "plain": 1.0 - adapts,
            "eps": h.eps,
            "l2": h.l2,
            "decay": h.lr * h.l2,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("decays") and not self.on("decoupled_weight_decay"):
            g = g + c.l2 * p
        m = c.keep1 * s.m + c.take1 * g
        v = c.keep2 * s.v + c.take2 * (g * g)
        delta = -c.step * (m / (c.adapts * (v.sqrt() + c.eps) + c.plain))
        if self.on("decays") and self.on("decoupled_weight_decay"):
            delta = delta - c.decay * p
        return delta, {"m": m, "v": v}
