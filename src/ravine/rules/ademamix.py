"""AdEMAMix: Pagliardini, Ablin, Grangier (2024), Algorithm 1."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, decay_between, power, root


@final
class AdEMAMix(Rule):
    """AdamW with a second, much slower mean of the gradients added to the first.

        a  = alpha min(1, t / t_alpha)                             (alpha, if t_alpha = 0)
        b  = exp(1 / ((1 - q) / ln beta1 + q / ln beta3)),   q = min(1, t / t_beta3)   (beta3, if t_beta3 = 0)
        m <- beta1 m + (1 - beta1) g
        n <- b n + (1 - b) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - lr ((m / (1 - beta1^t) + a n) / (sqrt(v) / sqrt(1 - beta2^t) + eps) + weight_decay p)

    State keys, as in the authors' code: m is `exp_avg_fast`, n is `exp_avg_slow`, v is `exp_avg_sq`.

    Departures. From the paper: none; n is not corrected, and the rise of beta3 starts at beta1, as its section 3 has it.
    From the authors' code: alpha = 5, the paper's, bitsandbytes' and optax's value (that code: 2); it adds 1e-8 inside the
    logarithms. The paper sets t_alpha and t_beta3 to the number of steps; here, as in the code, they are off by default.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = AdEMAMix(), torch.ones(1)
        >>> h = N(lr=0.1, beta1=0.9, beta2=0.999, beta3=0.5, alpha=2.0, t_alpha=0.0, t_beta3=0.0, eps=0.0, weight_decay=0.0)
        >>> round(rule.update(one, one, N(m=0 * one, n=0 * one, v=0 * one), N(**rule.scalars(h, 1)))[0].item(), 6)
        -0.2
    """

    name = "ademamix"
    citation = Citation("Pagliardini, Ablin, Grangier", 2024, "The AdEMAMix optimizer: better, faster, older", "arXiv:2409.03137")
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the fast mean kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("beta3", 0.9999, 0.0, 1.0, "share of the slow mean kept at each step", key="betas", index=2, open_above=True),
        Hyper("alpha", 5.0, 0.0, float("inf"), "weight of the slow mean"),
        Hyper("t_alpha", 0.0, 0.0, float("inf"), "steps over which alpha rises from 0; 0 for none"),
        Hyper("t_beta3", 0.0, 0.0, float("inf"), "steps over which beta3 rises from beta1; 0 for none"),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the corrected second moment"),
        Hyper("weight_decay", 0.0, 0.0, float("inf"), "decoupled weight decay, multiplied by lr"),
    )
    flags = (Flag("warms_alpha", "raise alpha step by step", of="t_alpha"), Flag("warms_beta3", "raise beta3 step by step", of="t_beta3"))
    slots = (Slot("m", "exp_avg_fast"), Slot("n", "exp_avg_slow"), Slot("v", "exp_avg_sq", unsigned=True))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        alpha, beta3 = h.alpha, h.beta3
        if self.on("warms_alpha"):
            alpha = alpha * choose(t < h.t_alpha, t / h.t_alpha, 1.0)
        if self.on("warms_beta3"):
            beta3 = decay_between(h.beta1, beta3, t / h.t_beta3)
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "keep3": beta3,
            "take3": 1.0 - beta3,
            "step": h.lr / (1.0 - power(h.beta1, t)),
            "slow": h.lr * alpha,
            "correct": 1.0 / root(1.0 - power(h.beta2, t)),
            "eps": h.eps,
            "decay": h.lr * h.weight_decay,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        m = c.keep1 * s.m + c.take1 * g
        n = c.keep3 * s.n + c.take3 * g
        v = c.keep2 * s.v + c.take2 * (g * g)
        delta = -(c.step * m + c.slow * n) / (v.sqrt() * c.correct + c.eps) - c.decay * p
        return delta, {"m": m, "n": n, "v": v}
