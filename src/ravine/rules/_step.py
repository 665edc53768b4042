"""One step of one lane, whatever the rule: measure every tensor, conclude for the lane, update every tensor.

Drivers that see one lane at a time call it directly, the lanes driver under `vmap`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ravine.rules._rule import Rule, State, Tensors


class Symbols:
    """Values by attribute, as rules read them. A plain class, because `torch.compile` cannot trace `SimpleNamespace`."""

    def __init__(self, **values: Any) -> None:
        for symbol, value in values.items():
            setattr(self, symbol, value)


@dataclass(slots=True)
class Part:
    """One tensor of a lane and what its rule needs to change it.

    Attributes:
        rule: with the flags of the step and of the tensor's kind.
        p, g: parameter and gradient, in the compute dtype.
        s: slots by symbol, and what the rule needs besides, such as `curvature`.
        c: scalars by name.
    """

    rule: Rule
    p: Tensors
    g: Tensors
    s: Mapping[str, Tensors]
    c: Mapping[str, Any]


def step_lane(parts: Sequence[Part], lane: State) -> tuple[list[tuple[Tensors, State]], State]:
    """The change and the next slots of every tensor, and the lane's next state.

    Args:
        parts: of one lane and one rule; the first part's scalars are those of the lane.
        lane: the lane's own slots by symbol, 0-d.
    """
    new, extra, measured = survey(parts, lane)
    return [update_part(part, extra, own) for part, own in zip(parts, measured, strict=True)], new


def measure_each(parts: Sequence[Part], lane: State) -> tuple[State, list[State]]:
    """The sums over all tensors, and each tensor's slots that are new already."""
    totals: State = {}
    measured = list[State]()
    for part in parts:
        terms, state = part.rule.measure(part.p, part.g, Symbols(**part.s), Symbols(**part.c, **lane))
        measured.append(state)
        add_up(totals, terms)
    return totals, measured


def add_up(totals: State, terms: Mapping[str, Tensors]) -> None:
    """Add terms to totals of the same names."""
    for name, term in terms.items():
        totals[name] = totals[name] + term if name in totals else term


def survey(
    parts: Sequence[Part], lane: State, measure: Callable[[Sequence[Part], State], tuple[State, list[State]]] = measure_each
) -> tuple[State, State, list[State]]:
    """The first half of a step: the lane's next state, scalars for the updates, and each tensor's slots that are new already.

    Args:
        parts: of one lane and one rule.
        lane: the lane's own slots.
        measure: another way of doing what `measure_each` does.
    """
    totals, measured = measure(parts, lane)
    new, extra = parts[0].rule.conclude(Symbols(**totals), Symbols(**lane), Symbols(**parts[0].c)) if parts else ({}, {})
    return lane | new, extra, measured


def update_part(part: Part, extra: State, measured: State) -> tuple[Tensors, State]:
    """The second half, for one tensor: its change and its next slots."""
    delta, state = part.rule.update(part.p, part.g, Symbols(**{**part.s, **measured}), Symbols(**{**part.c, **extra}))
    return delta, measured | state
