"""Shampoo: Gupta, Koren and Singer (2018), Algorithm 2."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._axes import accumulated, axis_slots, held, inverse_roots, named, rotated, selected
from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import any_of, choose, falls_due

LARGEST = 1024
"""Longest axis with a full matrix; longer ones have its diagonal alone."""


@final
class Shampoo(Rule):
    """The gradient multiplied along each axis by a root of that axis' summed statistics.

        g <- g + l2 p
        H_i <- H_i + G_i G_i'                                      beta2 H_i + (1 - beta2) G_i G_i', if beta2 < 1
        every precondition_frequency steps, from the first:  R_i = (H_i + eps I)^(-1 / (2 k))
        d  = g multiplied by R_i along every axis i                d |g| / |d|, if grafted
        m <- momentum m + d,   d = m                               if momentum
        p <- p - lr d

    State keys: H_i is `gram_i`, R_i `root_i`, m `momentum_buffer`. G_i is g with axis i for rows; k is the number of
    axes, at most 5 of which have matrices. A vector has one, of full size: AdaGrad's. `exponent_override` = e, if not 0,
    takes the power -1 / e instead. An axis longer than 1,024 has the diagonal of its matrix alone.

    Departures. From the paper: eps is added when the root is taken instead of at the start, which is the same for sums;
    the limit; momentum stands on the step, as in its experiments. From torch-optimizer: that takes the power -1 / k.
    From Distributed Shampoo: that grafts, corrects the bias of its running means and cuts long axes into blocks.

    Example:
        >>> import torch
        >>> from ravine import optim
        >>> weight = torch.nn.Parameter(torch.zeros(2, 2))
        >>> weight.grad = torch.tensor([[4.0, 0.0], [0.0, 1.0]])
        >>> optim.Shampoo([weight], lr=1.0, eps=0.0).step()
        >>> [round(value, 4) for value in weight.diagonal().tolist()]
        [-1.0, -1.0]
    """

    name = "shampoo"
    citation = Citation("Gupta, Koren, Singer", 2018, "Shampoo: preconditioned stochastic tensor optimization", "arXiv:1802.09568")
    hypers = (
        Hyper("lr", 1e-1, 0.0, float("inf"), "learning rate"),
        Hyper("momentum", 0.0, 0.0, float("inf"), "share of the buffer kept at each step"),
        Hyper("l2", 0.0, 0.0, float("inf"), "L2 coefficient, added to the gradient", key="weight_decay"),
        Hyper("eps", 1e-4, 0.0, float("inf"), "added to the eigenvalues of the statistics"),
        Hyper("beta2", 1.0, 0.0, 1.0, "share of the statistics kept at each step; 1 sums them"),
        Hyper("precondition_frequency", 1.0, 1.0, float("inf"), "steps between two computations of the roots"),
        Hyper("exponent_override", 0.0, 0.0, float("inf"), "inverse of the power; 0 for twice the number of axes"),
    )
    flags = (
        Flag("buffered", "keep a momentum buffer", of="momentum"),
        Flag("grafted", "give a tensor's step the norm of its gradient"),
        Flag("resting", "the roots stay: set between their computations", of="t"),
    )
    slots = (
        Slot("m", "momentum_buffer", when="buffered"),
        *axis_slots("l", "gram", limit=LARGEST, has_vectors=True),
        *axis_slots("r", "root", limit=LARGEST, has_vectors=True),
    )
    granularity = "matrix"

    def at(self, t: int, h: Any) -> "Shampoo":
        return self._with(resting=not any_of(falls_due(t - 1, h.precondition_frequency)))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        overrides = h.exponent_override > 0
        return {
            "lr": h.lr,
            "momentum": h.momentum,
            "l2": h.l2,
            "eps": h.eps,
            "keep": h.beta2,
            "take": choose(h.beta2 == 1, 1.0, 1.0 - h.beta2),
            "given": choose(overrides, 1.0 / choose(overrides, h.exponent_override, 1.0), 0.0),
            "usual": choose(overrides, 0.0, 0.5),
            "renew": choose(falls_due(t - 1.0, h.precondition_frequency), 1.0, 0.0),
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        g = g + c.l2 * p
        statistics, roots = accumulated(g, held(s, "l"), c.keep, c.take), held(s, "r")
        if not self.on("resting"):
            power = c.given + c.usual / max(1, p.ndim)
            roots = selected(c.renew, inverse_roots(statistics, power, c.eps), roots)
        d = rotated(g, roots)
        if self.on("grafted"):
            length = (d * d).sum().sqrt()
            d = d * ((g * g).sum().sqrt() / length).where(length > 0, 0.0)
        state = named("l", statistics) | named("r", roots)
        if self.on("buffered"):
            d = state["m"] = c.momentum * s.m + d
        return -c.lr * d, state
