"""Lookahead: Zhang, Lucas, Hinton and Ba (2019), Algorithm 1."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ravine.rules._rule import Citation, Hyper, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose
from ravine.rules._wrapping import Wrapper


class Lookahead(Wrapper):
    """Every k steps, go back part of the way to where the weights were k steps ago.

        p <- p + d                               d the core's change
        p <- w + alpha (p - w),   w <- p         at every k-th step

    State: w is `slow_buffer`.

    Departures. From the paper: none; of its three ways to treat the core's own state at a synchronisation, it is kept
    (section 4, "maintain"), as in the authors' code and timm. The model is evaluated at the fast weights p; the
    paper's curves show the slow ones, which are equal after every k-th step. From optax: there the slow weights
    are what one evaluates, and the core is a pair of parameters; the steps are the same.

    Example:
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> rule, h = get("sgd+lookahead").rule(), N(lr=0.5, momentum=0.0, dampening=0.0, l2=0.0, lookahead_k=1, lookahead_alpha=0.5)
        >>> rule.update(2.0, 1.0, N(lookahead_w=2.0), N(**rule.scalars(h, 1)))
        (-0.25, {'lookahead_w': 1.75})
    """

    name = "lookahead"
    citation = Citation("Zhang, Lucas, Hinton, Ba", 2019, "Lookahead optimizer: k steps forward, 1 step back", "arXiv:1907.08610")
    hypers = (
        Hyper("lookahead_k", 5.0, 1.0, float("inf"), "steps between synchronisations"),
        Hyper("lookahead_alpha", 0.5, 0.0, 1.0, "share of the way that is kept at a synchronisation"),
    )
    slots = (Slot("lookahead_w", "slow_buffer", copies=True),)
    refuses: ClassVar[Mapping[str, str]] = {"evaluate": "it averages weights of its own, which a jump would leave behind"}

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        take = choose(t % h.lookahead_k == 0, 1.0, 0.0)
        return {"lookahead_take": take, "lookahead_hold": 1.0 - take, "lookahead_back": take * (1.0 - h.lookahead_alpha)}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        d, state = self.core.update(p, g, s, c)
        # As the way back and not the way forth, so that alpha = 1 leaves the core's bits alone.
        d = d - c.lookahead_back * (p + d - s.lookahead_w)
        state["lookahead_w"] = c.lookahead_take * (p + d) + c.lookahead_hold * s.lookahead_w
        return d, state
