"""What was tuned besides the rate, in words: the space of each entrant, and what was found in it."""

from collections.abc import Mapping
from typing import Any

from ravine.records import LaneRow, RankedEntrant
from ravine.report.facts import Facts


def value_text(value: float) -> str:
    """A tuned value: three digits say all of it, but for shares close to 1."""
    return f"{value:.10g}"


def values_text(values: Mapping[str, float]) -> str:
    """Tuned values as settings, such as "weight_decay=0.01, beta1=0.9"; empty where the rate alone was tuned."""
    return ", ".join(f"{name}={value_text(value)}" for name, value in values.items())


def spaces(facts: Facts) -> Mapping[str, Any]:
    """Label -> its space; empty where the rate alone was tuned."""
    space = facts.protocol.get("search_space")
    return space["optimizers"] if isinstance(space, Mapping) else {}


def space_lines(facts: Facts) -> list[str]:
    """A line for each entrant, best first: what was found, in which ranges, and what it does not have."""
    known = spaces(facts)
    found = {entrant.optimizer: entrant for entrant in facts.ranking}
    order = [*found, *(name for name in known if name not in found)]
    return [f"{name}: {space_text(known[name], found.get(name))}." for name in order if name in known]


def space_text(space: Mapping[str, Any], entrant: RankedEntrant | None = None) -> str:
    """A space, with what was found in it where that is known.

    Args:
        space: of one entrant, as the record has it.
        entrant: its row of the ranking.
    """
    parts = []
    for name, one in space["dimensions"].items():
        chosen = "" if entrant is None or name not in entrant.hypers else f"={value_text(entrant.hypers[name])}"
        parts.append(f"{name}{chosen} of {value_text(one['low'])} to {value_text(one['high'])}")
    number, rates = len(space["configurations"]), space["rates"]
    tried = f"{number} configuration{'s' if number > 1 else ''}, {rates} lanes to begin with" if parts else f"{rates} rates"
    without = f"; it has no {' and no '.join(space['without'])}" if space["without"] else ""
    return f"{', '.join(parts) or 'the rate alone'} ({tried}){without}"


def space_rows(space: Mapping[str, Any]) -> str:
    """All spaces of a record as one text."""
    return "; ".join(f"{name}: {space_text(own)}" for name, own in space["optimizers"].items())


def lane_values(lane: LaneRow, facts: Facts) -> dict[str, float]:
    """What a lane had of what was tuned."""
    return {name: lane.value(name) for name in spaces(facts).get(lane.optimizer, {}).get("dimensions", {})}


def budget_text(budget: Mapping[str, Any]) -> str:
    """What a race was allowed, and what that left out."""
    gradients, seconds, decided = budget["gradients"], budget["seconds"], budget["decisions"]
    parts = [] if seconds is None else [f"{seconds:,.3g} s"]
    parts += [] if gradients is None else [f"{gradients:,} gradient evaluations{'' if seconds is None else ' by forecast'}"]
    without = [name for name, is_run in decided.items() if is_run is False]
    return ", ".join(parts) + (f"; left out: {', '.join(without)}" if without else "")
