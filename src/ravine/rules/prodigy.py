"""Prodigy: Mishchenko and Defazio (2023), Algorithm 4, with the options of the authors' package."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power, root


@final
class Prodigy(Rule):
    """Adam that estimates its own rate d: how far the weights must go, from how well gradients point back to their start.

        e  = d lr                                             (times sqrt(1 - beta2^t) / (1 - beta1^t), if corrected)
        r <- beta3 r + d / d0 * e * <g, p0 - p>               (beta3 = sqrt(beta2); the sum is over the whole model)
        s <- beta3 s + d / d0 * e * g                         (d / d0 * d * g, if safeguard_warmup)
        m <- beta1 m + (1 - beta1) d g
        v <- beta2 v + (1 - beta2) d^2 g^2
        estimate = d_coef * r / |s|_1
        d' = the largest estimate so far, at most growth_rate d
        p <- p - e m / (sqrt(v) + d' eps) - e weight_decay p
        d <- d'

    State keys, as in the authors' code: m is `exp_avg`, v is `exp_avg_sq`, s and p0 are themselves; r is `d_numerator`
    and stands in the groups with `d` and `d_max`.

    Departures. From the paper: s and r carry the d / d0 of the authors' package 1.1, which only scales both. From that
    package: with beta1 = 0 the gradient still has the old d, as the equations say; a group with lr 0 neither decays nor
    moves; there is no `beta3` and no `slice_p`; `use_bias_correction` is off as there, and counts a parameter's own
    steps. From optax: it always corrects, and has neither d_coef's first step nor a limit of growth.

    Example:
        >>> rule = Prodigy()
        >>> [slot.key for slot in rule.lane_slots]
        ['d', 'd_max', 'd_numerator']
    """

    name = "prodigy"
    citation = Citation("Mishchenko, Defazio", 2023, "Prodigy: an expeditiously adaptive parameter-free learner", "arXiv:2306.06101")
    hypers = (
        Hyper("lr", 1.0, 0.0, float("inf"), "factor on the estimated rate, for schedules; 1 is the method"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the second moment, times d"),
        Hyper("l2", 0.0, 0.0, float("inf"), "weight decay, decoupled unless decouple is off", key="weight_decay"),
        Hyper("d0", 1e-6, 1e-12, float("inf"), "first estimate of the rate, too small rather than too large"),
        Hyper("d_coef", 1.0, 0.0, float("inf"), "factor on every estimate of the rate"),
        Hyper("growth_rate", 1e30, 1.0, float("inf"), "most by which d grows at a step; the default is no limit"),
    )
    flags = (
        Flag("decays", "there is weight decay", of="l2"),
        Flag("decouple", "take the decay from the weights, not through the gradient", default=True),
        Flag("use_bias_correction", "correct the first steps as Adam does"),
        Flag("safeguard_warmup", "leave lr out of the distance's weights, for long warm-ups"),
    )
    slots = (
        Slot("m", "exp_avg"),
        Slot("v", "exp_avg_sq", unsigned=True),
        Slot("s", "s"),
        Slot("p0", "p0", copies=True),
        Slot("d", "d", fill="d0", of_lane=True),
        Slot("d_max", "d_max", fill="d0", of_lane=True),
        Slot("r", "d_numerator", of_lane=True),
    )

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        moves = choose(h.lr > 0, 1.0, 0.0)
        correct = root(1.0 - power(h.beta2, t)) / (1.0 - power(h.beta1, t)) if self.on("use_bias_correction") else 1.0
        beta3 = root(h.beta2)
        # With lr at 0 the authors' code leaves everything as it is.
        return {
            "moves": moves,
            "lr": h.lr * correct,
            "keep1": choose(h.lr > 0, h.beta1, 1.0),
            "take1": moves * (1.0 - h.beta1),
            "keep2": choose(h.lr > 0, h.beta2, 1.0),
            "take2": moves * (1.0 - h.beta2),
            "keep3": choose(h.lr > 0, beta3, 1.0),
            "take3": moves if self.on("safeguard_warmup") else h.lr * correct,
            "start": h.d0,
            "coefficient": h.d_coef,
            "growth": choose(h.lr > 0, h.growth_rate, 1.0),
            "eps": h.eps,
            "l2": h.l2,
        }

    def measure(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[State, State]:
        if self.on("decays") and not self.on("decouple"):
            g = g + c.l2 * p
        weight, dg = c.d / c.start * c.d, c.d * g
        state = {
            "m": c.keep1 * s.m + c.take1 * dg,
            "v": c.keep2 * s.v + c.take2 * (dg * dg),
            "s": c.keep3 * s.s + c.take3 * (weight * g),
        }
        return {"along": c.lr * weight * (g * (s.p0 - p)).sum(), "size": c.moves * state["s"].abs().sum()}, state

    def conclude(self, sums: Any, o: Any, c: Any) -> tuple[State, State]:
        r = c.keep3 * o.r + sums.along
        # Without any gradient so far there is nothing to estimate from: 0 / 0.
        estimate = (c.coefficient * r / sums.size).where(sums.size > 0, o.d)
        d = o.d.maximum(estimate).where(o.d == c.start, o.d)
        d_max = o.d_max.maximum(estimate)
        d = d_max.minimum(d * c.growth)
        return {"d": d, "d_max": d_max, "r": r}, {"old": o.d, "new": d}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        rate = c.old * c.lr
        delta = -rate * (s.m / (s.v.sqrt() + c.new * c.eps))
        if self.on("decays") and self.on("decouple"):
            delta = delta - (rate * c.l2) * p
        return delta, {"m": s.m, "v": s.v, "s": s.s, "p0": s.p0}
