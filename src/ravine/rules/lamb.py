"""LAMB: You et al. (2020), Algorithm 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import power, root


@final
class LAMB(Rule):
    """AdamW's step, made as long as a share of each tensor's own norm.

        g <- g / max(1, |all g| / max_grad_norm)                   if max_grad_norm
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        r  = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay p
        p <- p - lr |p| / |r| r                                    the quotient is 1 where a norm is 0

    State keys: m is `exp_avg`, v is `exp_avg_sq`. |.| is the Euclidean norm of one tensor.

    Departures. From the paper: phi is the identity, as in its experiments. From optax: none but the default decay, and
    its max_grad_norm is a transformation of its own. From timm: it clips the norm of all gradients to 1 by default
    (`max_grad_norm=1`, that of the first group counts) and leaves the quotient out where there is no decay
    (`adapts_decayed_only`); `trust_clip` keeps the quotient at most 1, as there.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> p, c = torch.full((4,), 2.0), N(keep1=0, take1=1, keep2=0, take2=1, first=1.0, correct=1.0, eps=0.0, decay=0.0, lr=0.1)
        >>> LAMB().update(p, 3 * p, N(m=0 * p, v=0 * p), c)[0]  # Adam's step has norm 2, the weights have 4
        tensor([-0.2000, -0.2000, -0.2000, -0.2000])
    """

    name = "lamb"
    citation = Citation(
        "You, Li, Reddi, Hseu, Kumar, et al.",
        2020,
        "Large batch optimization for deep learning: training BERT in 76 minutes",
        "arXiv:1904.00962",
    )
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "share of a tensor's norm that a step moves"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-6, 0.0, float("inf"), "added to the root of the corrected second moment"),
        Hyper("weight_decay", 1e-2, 0.0, float("inf"), "decay, inside the step whose length is set"),
        Hyper("max_grad_norm", 0.0, 0.0, float("inf"), "largest norm of all gradients together; 0 for no limit"),
    )
    flags = (
        Flag("clips", "there is a largest norm", of="max_grad_norm"),
        Flag("decays", "there is a decay", of="weight_decay"),
        Flag("trust_clip", "keep the quotient of norms at most 1"),
        Flag("adapts_decayed_only", "leave the quotient out where there is no decay"),
    )
    slots = (Slot("m", "exp_avg"), Slot("v", "exp_avg_sq", unsigned=True))
    granularity = "tensor"

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "first": 1.0 / (1.0 - power(h.beta1, t)),
            "correct": 1.0 / root(1.0 - power(h.beta2, t)),
            "eps": h.eps,
            "decay": h.weight_decay,
            "lr": h.lr,
            "limit": h.max_grad_norm,
        }

    def measure(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[State, State]:
        if self.on("clips"):
            return {"square": (g * g).sum()}, {}
        return {}, {}

    def conclude(self, sums: Any, o: Any, c: Any) -> tuple[State, State]:
        if self.on("clips"):
            return {}, {"shrink": 1.0 / (sums.square.sqrt() / c.limit).clamp_min(1.0)}
        return {}, {}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("clips"):
            g = c.shrink * g
        m = c.keep1 * s.m + c.take1 * g
        v = c.keep2 * s.v + c.take2 * (g * g)
        r = c.first * m / (v.sqrt() * c.correct + c.eps) + c.decay * p
        state = {"m": m, "v": v}
        if self.on("adapts_decayed_only") and not self.on("decays"):
            return -c.lr * r, state
        size, length = (p * p).sum().sqrt(), (r * r).sum().sqrt()
        ratio = (size / length).where((size > 0) & (length > 0), 1.0)
        if self.on("trust_clip"):
            ratio = ratio.clamp_max(1.0)
        return -c.lr * ratio * r, state
