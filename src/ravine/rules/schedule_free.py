"""Schedule-free SGD and AdamW: Defazio et al. (2024), equations 2 to 5 and Algorithm 1."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power, root

LEAST = 1.2e-38
"""About the smallest normal float32: a divisor that is 0 only together with what it divides."""


def _number(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a slot that holds one number for each parameter."""
    return shape[:0]


class _ScheduleFree(Rule):
    """What both forms share: an average x of the base optimiser's points z, and gradients taken at y, between the two.

    The weights that are trained are y; `evaluate` gives x. With beta = 0, y is z and tells nothing of x: the slot of z
    then holds x.
    """

    citation = Citation("Defazio, Yang, Mehta, Mishchenko, Khaled, Cutkosky", 2024, "The road less scheduled", "arXiv:2405.15682")

    def _averaging(self, h: Any, t: Scalar) -> tuple[Scalar, Mapping[str, Scalar]]:
        """The rate with its warm-up, and scalars of the average."""
        length = choose(h.warmup_steps > 0, h.warmup_steps, 1.0)
        lr = h.lr * choose(t < h.warmup_steps, t / length, 1.0)
        beta = choose(h.beta > 0, h.beta, 1.0)
        return lr, {
            "lr": lr,
            "beta": h.beta,
            "strength": power(lr, h.weight_lr_power),
            "fade": power((t - 1.0) / t, h.r),
            "back": 1.0 - 1.0 / beta,
            "l2": h.l2,
        }

    def _move(self, p: Tensors, d: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        """The step of z along `d`, and what it does to x and y."""
        top = s.top.clamp_min(c.strength)
        n = s.n * (s.top / top.clamp_min(LEAST)) * c.fade + 1.0
        share = 1.0 / n
        state = {"n": n, "top": top}
        if self.on("interpolates"):
            state["z"] = s.z - c.lr * d
            return share * (s.z - p) + ((1.0 - share) * c.beta - 1.0) * (c.lr * d), state
        state["z"] = s.z + share * (p - c.lr * d - s.z)
        return -c.lr * d, state

    def evaluate(self, p: Tensors, s: Any, c: Any) -> Tensors:
        if self.on("interpolates"):
            return p + c.back * (s.z - p)
        return s.z


@final
class SGDScheduleFree(_ScheduleFree):
    """Gradient descent whose iterates are averaged while it runs, with gradients taken between iterate and average.

        lr_t = lr min(1, t / warmup_steps),   w = t^r max(lr_1 ... lr_t)^weight_lr_power,   share = w / (w_1 + ... + w_t)
        y  = (1 - momentum) z + momentum x                    (the weights while training)
        z <- z - lr_t (g(y) + l2 y)
        x <- (1 - share) x + share z                          (the weights to evaluate at)

    State keys: z is `z`, and two numbers a parameter: the largest lr_t^weight_lr_power is `weight_max`, the sum of the
    weights w, in units of the last, is `weight_sum`; l2 is `weight_decay`.

    Departures. From the paper: the l2 term is taken at y, as in the authors' code; the rate stays as the schedule gives
    it, though none is needed. From the authors' package 1.4: the sums are a parameter's own, so that one that joins late
    starts its own average; momentum = 0 (plain averaging of SGD) is permitted. From optax: the same with
    `warmup_steps=None`. At lr 0 the average goes on to move towards z, as in all of them.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one, zero = SGDScheduleFree(interpolates=True), torch.ones(1), torch.zeros(())
        >>> h = N(lr=0.1, beta=0.9, l2=0.0, warmup_steps=0.0, r=0.0, weight_lr_power=2.0)
        >>> round(rule.update(one, one, N(z=one, n=zero, top=zero), N(**rule.scalars(h, 1)))[0].item(), 6)
        -0.1
    """

    name = "schedule_free_sgd"
    hypers = (
        Hyper("lr", 1.0, 0.0, float("inf"), "learning rate, 10 to 50 times that of SGD"),
        Hyper("beta", 0.9, 0.0, 1.0, "share of the average in the point where gradients are taken", key="momentum", open_above=True),
        Hyper("l2", 0.0, 0.0, float("inf"), "L2 coefficient, added to the gradient at y", key="weight_decay"),
        Hyper("warmup_steps", 0.0, 0.0, float("inf"), "steps over which the rate rises linearly"),
        Hyper("r", 0.0, 0.0, float("inf"), "exponent of the step in an iterate's weight"),
        Hyper("weight_lr_power", 2.0, 0.0, float("inf"), "exponent of the largest rate in an iterate's weight"),
    )
    flags = (Flag("interpolates", "gradients are taken off the iterates", of="beta"), Flag("decays", "there is an L2 coefficient", of="l2"))
    slots = (
        Slot("z", "z", copies=True),
        Slot("n", "weight_sum", shape=_number),
        Slot("top", "weight_max", shape=_number),
    )

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return self._averaging(h, t)[1]

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("decays"):
            g = g + c.l2 * p
        return self._move(p, g, s, c)


@final
class AdamWScheduleFree(_ScheduleFree):
    """AdamW without its momentum, whose iterates are averaged while it runs, with gradients taken between both.

        lr_t = lr min(1, t / warmup_steps),   w = t^r max(lr_1 ... lr_t)^weight_lr_power,   share = w / (w_1 + ... + w_t)
        y  = (1 - beta1) z + beta1 x                          (the weights while training)
        v <- beta2 v + (1 - beta2) g(y)^2
        z <- z - lr_t (g(y) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay y)
        x <- (1 - share) x + share z                          (the weights to evaluate at)

    State keys: z is `z`, v is `exp_avg_sq`, and two numbers a parameter: the largest lr_t^weight_lr_power is
    `weight_max`, the sum of the weights w, in units of the last, is `weight_sum`.

    Departures. From the paper's Algorithm 1: the bias correction divides v, as in the authors' code, and does not
    multiply the rate, which would also enter the weights. From the authors' package 1.4: the sums and t are a
    parameter's own, so that one that joins late starts its own average; beta1 = 0 is permitted. From optax: the same with
    `warmup_steps=None`. At lr 0 the average goes on to move towards z, as in all of them.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> rule, one, zero = AdamWScheduleFree(interpolates=True), torch.ones(1), torch.zeros(())
        >>> h = N(lr=0.1, beta=0.9, beta2=0.999, eps=0.0, l2=0.0, warmup_steps=0.0, r=0.0, weight_lr_power=2.0)
        >>> c = N(**rule.scalars(h, 1))
        >>> round(rule.update(one, 3 * one, N(z=one, v=0 * one, n=zero, top=zero), c)[0].item(), 6)
        -0.1
    """

    name = "schedule_free_adamw"
    hypers = (
        Hyper("lr", 2.5e-3, 0.0, float("inf"), "learning rate, 1 to 10 times that of AdamW"),
        Hyper("beta", 0.9, 0.0, 1.0, "share of the average in the point where gradients are taken", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.999, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the corrected second moment"),
        Hyper("l2", 0.0, 0.0, float("inf"), "decoupled weight decay at y, multiplied by lr", key="weight_decay"),
        Hyper("warmup_steps", 0.0, 0.0, float("inf"), "steps over which the rate rises linearly"),
        Hyper("r", 0.0, 0.0, float("inf"), "exponent of the step in an iterate's weight"),
        Hyper("weight_lr_power", 2.0, 0.0, float("inf"), "exponent of the largest rate in an iterate's weight"),
    )
    flags = (Flag("interpolates", "gradients are taken off the iterates", of="beta"), Flag("decays", "there is weight decay", of="l2"))
    slots = (
        Slot("z", "z", copies=True),
        Slot("v", "exp_avg_sq", unsigned=True),
        Slot("n", "weight_sum", shape=_number),
        Slot("top", "weight_max", shape=_number),
    )

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        averaging = self._averaging(h, t)[1]
        correct = 1.0 / root(1.0 - power(h.beta2, t))
        return {**averaging, "keep2": h.beta2, "take2": 1.0 - h.beta2, "correct": correct, "eps": h.eps}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        v = c.keep2 * s.v + c.take2 * (g * g)
        d = g / (v.sqrt() * c.correct + c.eps)
        if self.on("decays"):
            d = d + c.l2 * p
        delta, state = self._move(p, d, s, c)
        return delta, {"v": v, **state}
