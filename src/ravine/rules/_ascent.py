"""The first half of a step with two gradients, whatever the rule: how far each tensor of a lane goes uphill."""

from collections.abc import Sequence

from ravine.rules._rule import State, Tensors
from ravine.rules._step import Part, Symbols

SECOND_GRADIENT = "second gradient"
"""What rules declare in `needs` that take a gradient away from the parameters."""


def ascents(parts: Sequence[Part]) -> list[Tensors]:
    """The way from each parameter to where its second gradient is taken.

    Args:
        parts: of one lane and one rule, with the gradients at the parameters; slots are not read.
    """
    totals: State = {}
    for part in parts:
        for name, term in part.rule.ascent_terms(part.p, part.g, Symbols(**part.c)).items():
            totals[name] = totals[name] + term if name in totals else term
    return [part.rule.ascent(part.p, part.g, Symbols(**totals), Symbols(**part.c)) for part in parts]
