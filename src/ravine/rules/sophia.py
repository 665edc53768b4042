"""Sophia: Liu et al. (2023), Algorithm 3, with the estimators of Algorithms 1 (Hutchinson) and 2 (Gauss-Newton-Bartlett)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors


class _Sophia(Rule):
    """What both forms share: momentum over a running mean of estimated curvatures, cut off at 1."""

    citation = Citation(
        "Liu, Li, Hall, Liang, Ma", 2023, "Sophia: a scalable stochastic second-order optimizer for language model pre-training",
        "arXiv:2305.14342",
    )  # fmt: skip
    flags = (
        Flag("decays", "there is weight decay", of="l2"),
        Flag("refresh", "take in a new estimate of the curvature at this step", of="t"),
    )
    slots = (Slot("m", "exp_avg"), Slot("h", "hessian"))
    interval: ClassVar[int] = 10
    """Steps from one estimate to the next, the paper's k."""

    def at(self, t: int, h: Any) -> Self:
        return self._with(refresh=t % self.interval == 1)

    def _scalars(self, h: Any, size: Scalar) -> Mapping[str, Scalar]:
        return {
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "lr": h.lr,
            "size": size,
            "eps": h.eps,
            "decay": h.lr * h.l2,
        }

    def _estimate(self, curvature: Tensors) -> Tensors:
        """What the running mean takes in."""
        return curvature

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        m = c.keep1 * s.m + c.take1 * g
        h = s.h
        if self.on("refresh"):
            h = c.keep2 * h + c.take2 * self._estimate(s.curvature)
        delta = -c.lr * (m / (c.size * h).clamp_min(c.eps)).clamp_min(-1.0).clamp_max(1.0)
        if self.on("decays"):
            delta = delta - c.decay * p
        return delta, {"m": m, "h": h}


@final
class SophiaG(_Sophia):
    """Momentum over curvature, cut off at 1, the curvature from gradients on labels that the model itself drew.

        m <- beta1 m + (1 - beta1) g
        h <- beta2 h + (1 - beta2) q^2                        (at steps 1, 11, 21, ...; else h stays)
        p <- p - lr clip(m / max(rho bs h, eps), -1, 1) - lr weight_decay p

    q is the gradient of the mean loss on labels drawn from the model's output, which makes bs q^2, with bs the number of
    predictions in that mean, an unbiased estimate of the Gauss-Newton matrix's diagonal; the true labels would give
    the empirical Fisher matrix instead. State keys, as in the authors' code: m is `exp_avg`, h is `hessian`.

    Departures. From the paper: none; its gamma is rho, and bs stands at the step as in the authors' code. From that
    code: it takes the estimate after steps 10, 20, ..., so that its first ten steps go by the sign of m alone, and adds
    1e-15 to rho bs h; its bs is an argument of `step`, 5120. From optax: it corrects m's bias and takes the estimate after
    the step.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = SophiaG(refresh=True), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.5, beta2=0.5, rho=1.0, l2=0.0, bs=2.0, eps=1e-12), 1)
        >>> round(rule.update(one, one, N(m=0 * one, h=0 * one, curvature=one), N(**c))[0].item(), 6)
        -0.05
    """

    name = "sophia_g"
    hypers = (
        Hyper("lr", 1e-4, 0.0, float("inf"), "learning rate, the longest step of a coordinate"),
        Hyper("beta1", 0.965, 0.0, 1.0, "share of the momentum kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.99, 0.0, 1.0, "share of the curvature kept at each estimate", key="betas", index=1, open_above=True),
        Hyper("rho", 0.04, 0.0, float("inf"), "factor on the curvature: larger cuts fewer coordinates off"),
        Hyper("l2", 0.1, 0.0, float("inf"), "decoupled weight decay, multiplied by lr", key="weight_decay"),
        Hyper("bs", 1.0, 0.0, float("inf"), "predictions whose mean loss gave the estimate; 1 where the estimate holds the factor"),
        Hyper("eps", 1e-12, 0.0, float("inf"), "least value of the scaled curvature"),
    )
    needs = frozenset({"curvature", "labels"})
    gradients_per_step = 1.1

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return self._scalars(h, h.rho * h.bs)


@final
class SophiaH(_Sophia):
    """Momentum over curvature, cut off at 1, the curvature from products of the Hessian with random signs.

        m <- beta1 m + (1 - beta1) g
        h <- beta2 h + (1 - beta2) u (H u)                    (at steps 1, 11, 21, ...; else h stays)
        p <- p - lr clip(m / max(rho h, eps), -1, 1) - lr weight_decay p

    u (H u), with u of random signs, is an unbiased estimate of the Hessian's diagonal, and may be negative: where h is,
    the step is lr along m's sign. State keys: m is `exp_avg`, h is `hessian`.

    Departures. From the paper: u has random signs, not normal numbers, which has less variance (optax does the same); its
    gamma is rho. From pytorch_optimizer: its step is cut off at p = 0.01 and has lr = 0.06, which is rho = 0.01 with
    lr = 6e-4. From optax: it corrects m's bias and takes the estimate after the step.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one = SophiaH(), torch.ones(1)
        >>> c = rule.scalars(N(lr=0.1, beta1=0.5, beta2=0.5, rho=1.0, l2=0.0, eps=1e-12), 2)
        >>> round(rule.update(one, one, N(m=one, h=4 * one), N(**c))[0].item(), 6)
        -0.025
    """

    name = "sophia_h"
    hypers = (
        Hyper("lr", 6e-4, 0.0, float("inf"), "learning rate, the longest step of a coordinate"),
        Hyper("beta1", 0.96, 0.0, 1.0, "share of the momentum kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.99, 0.0, 1.0, "share of the curvature kept at each estimate", key="betas", index=1, open_above=True),
        Hyper("rho", 0.01, 0.0, float("inf"), "factor on the curvature: larger cuts fewer coordinates off"),
        Hyper("l2", 0.1, 0.0, float("inf"), "decoupled weight decay, multiplied by lr", key="weight_decay"),
        Hyper("eps", 1e-12, 0.0, float("inf"), "least value of the scaled curvature"),
    )
    needs = frozenset({"curvature"})
    gradients_per_step = 1.2

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return self._scalars(h, h.rho)
