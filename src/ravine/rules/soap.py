"""SOAP: Vyas et al. (2024), Algorithm 3, as the authors' code has it."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._axes import accumulated, axis_slots, eigenbases, held, iterated, named, rotated, selected
from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import any_of, choose, falls_due, power, root

LARGEST = 10_000
"""Longest axis with a basis of its own; longer ones stay as they are, as by the authors' default."""


@final
class SOAP(Rule):
    """Adam in the slowly turning eigenbases of Shampoo's statistics.

        at step 1:  L_i = (1 - b) G_i G_i',  Q_i = eigenvectors of L_i, and nothing moves
        afterwards:
        m <- beta1 m + (1 - beta1) g
        r  = g turned by Q,      v <- beta2 v + (1 - beta2) r^2
        n  = m turned by Q / (sqrt(v) + eps), turned back            n / RMS(n), if normalize_grads
        p <- (p - lr sqrt(1 - beta2^t) / (1 - beta1^t) n) (1 - lr weight_decay)        t counts from the second step
        L_i <- b L_i + (1 - b) G_i G_i'
        every precondition_frequency steps:  Q_i <- QR of L_i Q_i, largest eigenvalues first, v in the same order

    State keys: m is `exp_avg`, v is `exp_avg_sq`, L_i `gram_i`, Q_i `basis_i`. G_i is g with axis i for rows, one L_i and
    Q_i for each of at most 5 axes of at most 10,000. Vectors have none: Adam from the second step on. b is
    shampoo_beta, or beta2 if that is negative.

    Departures. From the paper: the order of the eigenvectors, the first step, and decay after the step, which are the
    authors' code's. From that: m is kept unturned, which is the same but for rounding; it has `merge_dims` and
    `precondition_1d`, left out here. Where L_i has equal eigenvalues, as it has before the gradients span
    its space, its eigenvectors are not unique and neither is the path taken.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.eye(2))
        >>> from ravine import optim
        >>> optimizer = optim.SOAP([weight], lr=0.1, weight_decay=0.0)
        >>> for _ in range(2):
        ...     weight.grad = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
        ...     optimizer.step()
        >>> weight.detach().diagonal()
        tensor([0.9000, 0.9000])
    """

    name = "soap"
    citation = Citation(
        "Vyas, Morwani, Zhao, Shapira, Brandfonbrener, et al.",
        2024,
        "SOAP: improving and stabilizing Shampoo using Adam",
        "arXiv:2409.11321",
    )
    hypers = (
        Hyper("lr", 3e-3, 0.0, float("inf"), "learning rate"),
        Hyper("beta1", 0.95, 0.0, 1.0, "share of the first moment kept at each step", key="betas", index=0, open_above=True),
        Hyper("beta2", 0.95, 0.0, 1.0, "share of the second moment kept at each step", key="betas", index=1, open_above=True),
        Hyper("shampoo_beta", -1.0, -1.0, 1.0, "share of the statistics kept at each step; below 0: beta2", open_above=True),
        Hyper("eps", 1e-8, 0.0, float("inf"), "added to the root of the second moment"),
        Hyper("weight_decay", 1e-2, 0.0, float("inf"), "decoupled weight decay, multiplied by lr"),
        Hyper("precondition_frequency", 10.0, 1.0, float("inf"), "steps between two turns of the eigenbases"),
    )
    flags = (
        Flag("normalize_grads", "give every step the same root mean square"),
        Flag("uncorrected", "leave the moments' bias as it is"),
        Flag("started", "the bases exist: set at every step but the first", of="t"),
        Flag("resting", "the bases stay: set between their turns", of="t"),
    )
    slots = (
        Slot("m", "exp_avg"),
        Slot("v", "exp_avg_sq", unsigned=True),
        *axis_slots("l", "gram", limit=LARGEST, least=2),
        *axis_slots("q", "basis", limit=LARGEST, least=2),
    )
    granularity = "matrix"

    def at(self, t: int, h: Any) -> "SOAP":
        return self._with(started=t > 1, resting=not (t > 1 and any_of(falls_due(t - 1, h.precondition_frequency))))

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        is_first = t == 1
        since = choose(is_first, 1.0, t - 1.0)
        keep = choose(h.shampoo_beta < 0, h.beta2, h.shampoo_beta)
        step = h.lr
        if not self.on("uncorrected"):
            step = h.lr * root(1.0 - power(h.beta2, since)) / (1.0 - power(h.beta1, since))
        return {
            "keep1": h.beta1,
            "take1": choose(is_first, 0.0, 1.0 - h.beta1),
            "keep2": h.beta2,
            "take2": choose(is_first, 0.0, 1.0 - h.beta2),
            "keep": keep,
            "take": 1.0 - keep,
            # Nothing over nothing in the first step, whose quotient is not used, would be felt all the same.
            "eps": choose(is_first, 1.0, h.eps),
            "step": choose(is_first, 0.0, step),
            "decay": choose(is_first, 0.0, h.lr * h.weight_decay),
            "first": choose(is_first, 1.0, 0.0),
            "turn": choose(falls_due(since, h.precondition_frequency), 1.0, 0.0) * choose(is_first, 0.0, 1.0),
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        bases = held(s, "q")
        r = rotated(g, bases)
        m = c.keep1 * s.m + c.take1 * g
        v = c.keep2 * s.v + c.take2 * (r * r)
        n = rotated(rotated(m, bases) / (v.sqrt() + c.eps), bases, back=True)
        if self.on("normalize_grads"):
            n = n / ((n * n).mean().sqrt() + 1e-30)
        delta = -c.step * n
        statistics = accumulated(g, held(s, "l"), c.keep, c.take)
        if not self.on("resting"):
            turned, ordered = iterated(statistics, bases, v)
            chosen = selected(c.turn, (ordered, *turned), (v, *bases))
            v, bases = chosen[0], chosen[1:]
        if not self.on("started"):
            bases = selected(c.first, eigenbases(statistics), bases)
        return delta - c.decay * (p + delta), {"m": m, "v": v} | named("l", statistics) | named("q", bases)
