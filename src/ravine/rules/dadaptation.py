"""D-Adaptation for Adam: Defazio and Mishchenko (2023), Algorithm 5, with the options of the authors' package."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power, root


@final
class DAdaptAdam(Rule):
    """Adam that estimates its own rate d, a lower bound of the distance to the solution that only grows.

        e  = d lr                                             (times sqrt(1 - beta2^t) / (1 - beta1^t), if corrected)
        a  = layer_scale * e * <g, s / (sqrt(v) + eps)>       (s and v of before; the sum is over the whole model)
        m <- beta1 m + (1 - beta1) layer_scale e g
        v <- beta2 v + (1 - beta2) g^2
        s <- beta3 s + (1 - beta3) e g                        (beta3 = sqrt(beta2))
        r <- beta3 r + (1 - beta3) a
        d' = max(d, r / ((1 - beta3) layer_scale |s|_1)),     at most growth_rate d
        p <- p - m / (sqrt(v) + eps)                          (and - e weight_decay p, if decoupled)
        d <- d'

    State keys, as in the authors' code: m is `exp_avg`, v is `exp_avg_sq`, s is itself; r is `numerator_weighted` and
    stands in the groups with `d`.

    Departures. From the paper: none; layer_scale and growth_rate are the package's, 1 and no limit. From the package: a
    group with lr 0 stands still, where there it goes on along its last m; `use_bias_correction` is off as there, and
    counts a parameter's own steps. From optax (`dadapt_adamw`): it always corrects, and decouples.

    Example:
        >>> rule = DAdaptAdam()
        >>> [slot.key for slot in rule.lane_slots]
        ['d', 'numerator_weighted']
    """

    name = "dadapt_adam"
    citation = Citation("Defazio, Mishchenko", 2023, "Learning-rate-free learning by D-Adaptation", "arXiv:2301.07733")
    hypers = (
        Hyper("lr", 1.0, 0.0, float("inf"), "factor on the estimated rate, for schedules; 1 is the method"),
        Hyper("beta1", 0.9, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the second moment"),
        Hyper("l2", 0.0, 0.0, float("inf"), "weight decay, through the gradient unless decouple is on", key="weight_decay"),
        Hyper("d0", 1e-6, 1e-12, float("inf"), "first estimate of the rate, too small rather than too large"),
        Hyper("growth_rate", 1e30, 1.0, float("inf"), "most by which d grows at a step; the default is no limit"),
        Hyper("layer_scale", 1.0, 0.0, float("inf"), "factor on a group's rate, in place of rates that differ"),
    )
    flags = (
        Flag("decays", "there is weight decay", of="l2"),
        Flag("decouple", "take the decay from the weights, not through the gradient"),
        Flag("use_bias_correction", "correct the first steps as Adam does"),
    )
    slots = (
        Slot("m", "exp_avg"),
        Slot("v", "exp_avg_sq", unsigned=True),
        Slot("s", "s"),
        Slot("d", "d", fill="d0", of_lane=True),
        Slot("r", "numerator_weighted", of_lane=True),
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
            "take1": (1.0 - h.beta1) * h.layer_scale * h.lr * correct,
            "keep2": choose(h.lr > 0, h.beta2, 1.0),
            "take2": moves * (1.0 - h.beta2),
            "keep3": choose(h.lr > 0, beta3, 1.0),
            "take3": moves * (1.0 - beta3),
            "rest": 1.0 - beta3,
            "scale": moves * h.layer_scale,
            "growth": choose(h.lr > 0, h.growth_rate, 1.0),
            "eps": h.eps,
            "l2": h.l2,
        }

    def measure(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[State, State]:
        if self.on("decays") and not self.on("decouple"):
            g = g + c.l2 * p
        along = (g * (s.s / (s.v.sqrt() + c.eps))).sum()
        state = {
            "m": c.keep1 * s.m + c.take1 * (c.d * g),
            "v": c.keep2 * s.v + c.take2 * (g * g),
            "s": c.keep3 * s.s + (c.take3 * c.lr) * (c.d * g),
        }
        return {"along": c.scale * c.lr * c.d * along, "size": c.scale * state["s"].abs().sum()}, state

    def conclude(self, sums: Any, o: Any, c: Any) -> tuple[State, State]:
        r = c.keep3 * o.r + c.take3 * sums.along
        # Without any gradient so far there is nothing to estimate from: 0 / 0.
        estimate = (r / (c.rest * sums.size)).where(sums.size > 0, o.d)
        d = o.d.maximum(estimate.minimum(o.d * c.growth))
        return {"d": d, "r": r}, {"old": o.d}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        delta = -c.moves * (s.m / (s.v.sqrt() + c.eps))
        if self.on("decays") and self.on("decouple"):
            delta = delta - (c.old * c.lr * c.l2) * p
        return delta, {"m": s.m, "v": s.v, "s": s.s}
