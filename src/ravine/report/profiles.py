"""The field over seeds and targets at once: performance profiles and the chance that one entrant beats another."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ravine.base.errors import InputError
from ravine.records import Interval, RankedEntrant, Record, steps_to_target
from ravine.records.profile import WORST_RATIO, probability_of_improvement, profile, score_intervals
from ravine.records.rows import finite
from ravine.report.facts import Facts, read_facts
from ravine.report.tables import WIDTH, empty_table, rendered
from ravine.report.wording import rate

PROFILE_SCHEMA = 1
TAUS = (1.0, 1.5, 2.0, WORST_RATIO)
"""Ratios to the fastest at which the table shows the height of a profile."""


@dataclass(frozen=True, slots=True)
class Field:
    """All entrants on the seeds that every one of them ran.

    Attributes:
        seeds: those seeds.
        targets: value of the metric by name of the target.
        times: steps to each target, (entrants, seeds, targets); infinite where never reached.
        finals: final metric turned so that lower is better, (entrants, seeds); infinite where a lane has none.
    """

    seeds: tuple[int, ...]
    targets: dict[str, float]
    times: np.ndarray
    finals: np.ndarray


def profile_summary(record: Record) -> dict[str, Any]:
    """Profiles, scores and chances of every entrant as plain values, best rank first.

    A task is one seed and one target. Scores are relative to the field: another entrant changes everybody's.

    Raises:
        InputError: the race is not ranked, or has no target.
    """
    facts = read_facts(record)
    field = read_field(record, facts)
    flat = field.times.reshape(len(field.times), -1)
    scores, shares = score_intervals(field.times), profile(flat, TAUS)
    used = list(field.targets).index(used_target(facts, field))
    entrants = []
    for index, entrant in enumerate(facts.ranking):
        entrants.append(
            {
                "optimizer": entrant.optimizer,
                "lr": entrant.lr,
                "reached": int(np.isfinite(flat[index]).sum()),
                "score": _as_json(scores[index]),
                "shares": {f"{tau:g}": float(share) for tau, share in zip(TAUS, shares[index], strict=True)},
                "faster_than": _chances(facts.ranking, index, field.times[:, :, used]),
                "better_than": _chances(facts.ranking, index, field.finals),
            }
        )
    return {
        "schema": PROFILE_SCHEMA,
        "metric": facts.metric,
        "split": facts.split,
        "seeds": list(field.seeds),
        "targets": field.targets,
        "used": used_target(facts, field),
        "worst_ratio": WORST_RATIO,
        "entrants": entrants,
    }


def profile_text(record: Record, *, width: int = WIDTH) -> str:
    """The profiles as a table, with what its columns mean."""
    found = profile_summary(record)
    shown = {"1": "fastest", "2": "in 2x"}
    table = empty_table(["#", "optimiser", "lr", "score", *shown.values(), "faster than #1", "better than #1"], numeric=(0, 2, 4, 5))
    first = found["entrants"][0]["optimizer"]
    for number, entrant in enumerate(found["entrants"], 1):
        shares = [f"{100 * entrant['shares'][tau]:.0f} %" for tau in shown]
        chances = [_interval_text(entrant[kind][first]) if number > 1 else "" for kind in ("faster_than", "better_than")]
        table.add_row(str(number), entrant["optimizer"], rate(entrant["lr"]), _interval_text(entrant["score"]), *shares, *chances)
    return "\n".join([rendered(table, width), *(textwrap.fill(line, width) for line in _explanations(found)), ""])


def read_field(record: Record, facts: Facts) -> Field:
    """The times and final values of every ranked entrant at its ranked rate.

    Raises:
        InputError: the race is not ranked, or has no target.
    """
    if not facts.ranking:
        raise InputError(f"{record.path} has no ranking yet, so there is no profile; let the race finish.")
    targets = _targets(facts)
    if not targets:
        raise InputError(f"{record.path} has no target: no entrant got better than its initial value. Train longer, or give --target.")
    seeds = tuple(sorted(set.intersection(*({lane.seed for lane in facts.final_lanes(entrant)} for entrant in facts.ranking))))
    sign = -1.0 if facts.higher_is_better else 1.0
    goals = [sign * target for target in targets.values()]
    times, finals = zip(*(_entrant(record, facts, entrant, seeds, goals) for entrant in facts.ranking), strict=True)
    return Field(seeds, targets, np.array(times), np.array(finals))


def _entrant(
    record: Record, facts: Facts, entrant: RankedEntrant, seeds: Sequence[int], goals: Sequence[float]
) -> tuple[list[list[float]], np.ndarray]:
    """Times (seeds, targets) and final values (seeds,) of one entrant; `goals` are turned so that lower is better."""
    lanes = {lane.seed: lane for lane in facts.final_lanes(entrant)}
    chosen = [lanes[seed] for seed in seeds]
    steps, values = record.curves(chosen, facts.split, facts.metric)
    curves = -values if facts.higher_is_better else values
    lost = np.array([lane.status == "diverged" for lane in chosen]) | ~np.isfinite(curves[:, -1])
    curves[lost] = np.inf
    # Half a step keeps a target that was met at step 0 above 0, as in the ranking.
    times = [[max(0.5, steps_to_target(steps, curve, goal)) for goal in goals] for curve in curves]
    return times, curves[:, -1]


def _targets(facts: Facts) -> dict[str, float]:
    """The race's three targets, and the user's own where there is one."""
    given = facts.protocol.get("target")
    values = given if isinstance(given, dict) else {"name": "own", "used": given}
    own = {} if values.get("name") in ("medium", None) else {str(values["name"]): values.get("used")}
    named = {name: values.get(name) for name in ("tight", "medium", "loose")} | own
    return {name: float(value) for name, value in named.items() if value is not None}


def used_target(facts: Facts, field: Field) -> str:
    """Name of the target that the ranking counted steps to."""
    target = facts.protocol.get("target")
    name = str(target.get("name")) if isinstance(target, dict) else ""
    return name if name in field.targets else next(iter(field.targets))


def _chances(ranking: Sequence[RankedEntrant], index: int, values: np.ndarray) -> dict[str, dict[str, Any]]:
    """The chance that a run of one entrant has a lower value than one of each other."""
    return {
        other.optimizer: _as_json(probability_of_improvement([values[index]], [values[position]]))
        for position, other in enumerate(ranking)
        if position != index
    }


def _as_json(interval: Interval) -> dict[str, Any]:
    return {name: finite(getattr(interval, name)) for name in interval.__dataclass_fields__}


def _interval_text(interval: dict[str, Any]) -> str:
    estimate = f"{interval['estimate']:.2f}"
    return estimate if interval["low"] is None else f"{estimate} [{interval['low']:.2f}, {interval['high']:.2f}]"


def _explanations(found: dict[str, Any]) -> list[str]:
    targets = ", ".join(f"{name} {value:.4g}" for name, value in found["targets"].items())
    seeds, goals = len(found["seeds"]), len(found["targets"])
    counted = f"{seeds} seed{'s' if seeds > 1 else ''} x {goals} target{'s' if goals > 1 else ''}"
    return [
        f"Over {counted} of {found['split']} {found['metric']}: {targets}. Fastest, in 2x: share of these {seeds * goals} at which an "
        "entrant was the fastest, or needed at most twice its steps. Score: mean height of that profile from 1x to "
        f"{WORST_RATIO:g}x; 1 is fastest everywhere; it has an interval from 8 seeds on.",
        f"Faster, better than #1: chance that a run reaches the {found['used']} target sooner, or ends better, than a run of the first; "
        "0.5 is equal. In brackets: 95 % intervals.",
        "All of this is relative to the field: another entrant in the race changes everybody's score.",
    ]
