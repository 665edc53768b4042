"""NAdam: Dozat (2016), Algorithm 8, with the paper's warm-up of the momentum."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import momentum_product, power, root


@final
class NAdam(Rule):
    """Adam that steps along the momentum of the step to come, as Nesterov does.

        g <- g + l2 p                                              (unless decoupled)
        mu_t = beta1 (1 - 0.5 * 0.96^(t psi)),   P_t = mu_1 mu_2 ... mu_t
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        d  = (1 - mu_t) / (1 - P_t) * g + mu_{t+1} / (1 - P_{t+1}) * m
        p <- p - lr d / (sqrt(v) / sqrt(1 - beta2^t) + eps)        (and - lr l2 p, if decoupled)

    torch names: m is `exp_avg`, v is `exp_avg_sq`, psi is `momentum_decay`, l2 is `weight_decay`. P_t is computed from
    beta1, psi and t; the class writes it into state dicts as torch's `mu_product`.

    Departures. From the paper: m decays by beta1 rather than mu_t, as in torch, and l2. From torch: P_t is exact,
    where torch multiplies it up in float32 and rounds it to the parameter's dtype when a checkpoint is loaded; and it
    is that of the present beta1 and psi, should they change on the way. optax's `nadam` has a constant mu = beta1:
    another algorithm.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = NAdam(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.0, beta2=0.999, psi=0.004, eps=0.0, l2=0.0), 1)
        >>> round(rule.update(one, one, N(m=0 * one, v=0 * one), N(**c))[0].item(), 6)
        -0.1
    """

    name = "nadam"
    citation = Citation("Dozat", 2016, "Incorporating Nesterov momentum into Adam", "ICLR Workshop")
    hypers = (
        Hyper("lr", 2e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the corrected second moment"),
        Hyper("l2", 0.0, 0.0, float("inf"), "L2 coefficient, added to the gradient unless decoupled", key="weight_decay"),
        Hyper("psi", 4e-3, 0.0, float("inf"), "speed at which the momentum rises from beta1 / 2 to beta1", key="momentum_decay"),
    )
    flags = (
        Flag("decays", "there is an L2 coefficient", of="l2"),
        Flag("decoupled_weight_decay", "take the L2 term from the weights instead"),
    )
    slots = (Slot("m", "exp_avg"), Slot("v", "exp_avg_sq", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        now = h.beta1 * (1.0 - 0.5 * power(0.96, t * h.psi))
        then = h.beta1 * (1.0 - 0.5 * power(0.96, (t + 1) * h.psi))
        product = momentum_product(h.beta1, h.psi, t)
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "by_gradient": h.lr * (1.0 - now) / (1.0 - product),
            "by_moment": h.lr * then / (1.0 - product * then),
            "correct": 1.0 / root(1.0 - power(h.beta2, t)),
            "eps": h.eps,
            "l2": h.l2,
            "decay": h.lr * h.l2,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("decays") and not self.on("decoupled_weight_decay"):
            g = g + c.l2 * p
        m = c.keep1 * s.m + c.take1 * g
        v = c.keep2 * s.v + c.take2 * (g * g)
        delta = -(c.by_gradient * g + c.by_moment * m) / (v.sqrt() * c.correct + c.eps)
        if self.on("decays") and self.on("decoupled_weight_decay"):
            delta = delta - c.decay * p
        return delta, {"m": m, "v": v}
