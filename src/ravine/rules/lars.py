"""LARS: You, Gitman and Ginsburg (2017), Algorithm 1."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors


@final
class LARS(Rule):
    """SGD with momentum whose rate is set for each tensor by the quotient of its norm and its gradient's.

        l  = trust |p| / (|g| + l2 |p| + eps)                      1 where |p| or |g| is 0
        d  = l (g + l2 p)
        m <- momentum m + lr d
        p <- p - m

    State keys: m is `momentum_buffer`; l2 is `weight_decay`. |.| is the Euclidean norm of one tensor.

    Departures. From the paper: eps, and l = 1 for norms of 0, which it leaves open. From timm: lr stands outside the
    buffer there (`lr_outside`: m <- momentum m + d, p <- p - lr m), and a group without decay is not adapted
    (`adapts_decayed_only`); `trust_clip` is its LARC form, l <- min(l / lr, 1). From optax: it takes the norm of the sum,
    |g + l2 p| (`norm_of_sum`). Vectors are adapted, as in both; `skips_vectors` takes l = 1 for them.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> p, c = torch.full((4,), 2.0), N(trust=0.1, l2=0.0, eps=0.0, keep=0.0, lr=1.0)
        >>> LARS().update(p, 3 * p, N(), c)[0]  # a tenth of the weights' norm, whatever the gradient's
        tensor([-0.2000, -0.2000, -0.2000, -0.2000])
    """

    name = "lars"
    citation = Citation("You, Gitman, Ginsburg", 2017, "Large batch training of convolutional networks", "arXiv:1708.03888")
    hypers = (
        Hyper("lr", 1.0, 0.0, float("inf"), "learning rate, on top of each tensor's own"),
        Hyper("momentum", 0.9, 0.0, float("inf"), "share of the buffer kept at each step"),
        Hyper("l2", 0.0, 0.0, float("inf"), "L2 coefficient, added to the gradient", key="weight_decay"),
        Hyper("trust", 1e-3, 0.0, float("inf"), "share of a tensor's norm that a step of rate 1 moves", key="trust_coefficient"),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the norm of the gradient"),
    )
    flags = (
        Flag("buffered", "keep a momentum buffer", of="momentum"),
        Flag("decays", "there is an L2 term", of="l2"),
        Flag("lr_outside", "multiply by lr after the momentum buffer"),
        Flag("norm_of_sum", "divide by the norm of gradient and L2 term together"),
        Flag("trust_clip", "never move further than SGD with rate 1 would"),
        Flag("adapts_decayed_only", "take plain SGD where there is no L2 term"),
        Flag("skips_vectors", "take plain SGD for what has fewer than two dimensions"),
    )
    slots = (Slot("m", "momentum_buffer", when="buffered"),)
    granularity = "tensor"

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {"lr": h.lr, "keep": h.momentum, "l2": h.l2, "trust": h.trust, "eps": h.eps}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        d = self._adapted(p, g, c)
        if not self.on("lr_outside"):
            d = c.lr * d
        state: State = {}
        if self.on("buffered"):
            d = state["m"] = c.keep * s.m + d
        return (-c.lr * d if self.on("lr_outside") else -d), state

    def _adapted(self, p: Tensors, g: Tensors, c: Any) -> Tensors:
        total = g + c.l2 * p
        if self.on("skips_vectors") and p.ndim < 2:
            return total
        if self.on("adapts_decayed_only") and not self.on("decays"):
            return total
        size, slope = (p * p).sum().sqrt(), (g * g).sum().sqrt()
        if self.on("norm_of_sum"):
            slope = (total * total).sum().sqrt()
        below = slope + c.eps
        if not self.on("norm_of_sum"):
            below = below + c.l2 * size
        ratio = (c.trust * size / below).where((size > 0) & (slope > 0), 1.0)
        if self.on("trust_clip"):
            ratio = (ratio / c.lr).clamp_max(1.0)
        return ratio * total
