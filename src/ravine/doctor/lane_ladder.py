"""One lane of a race, trained again and examined: the upper rungs of the ladder, on what it did."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from ravine.doctor import checks_curve, checks_gradients, checks_numbers
from ravine.doctor.checks_lane import Known, Seen, explain, is_lost, see, stable_factor
from ravine.doctor.outcome import Outcome, judged, skipped, unknown
from ravine.doctor.replay import Replay
from ravine.doctor.short_run import ShortRun
from ravine.fleet.tile_run import quiet_threads
from ravine.records.findings import RUNGS, Finding
from ravine.tasks.splits import first_line

OF_TASK = ("loading", "initial loss", "input-independent baseline", "overfit one batch", "gradient check")
"""Rungs that do not depend on how a lane is trained."""
OF_LIFE = frozenset({"update-to-weight", "curve", "curvature", "batch size"})
"""What a lane that has diverged says nothing of."""
OF_NUMBERS = frozenset({"dead units", "activations", "precision"})
"""Nor where its numbers are not finite."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record holds of a lane.

    Attributes:
        facts: what became of it and of the others.
        evaluated: steps of its evaluations on the split that it was judged by.
        evaluations: metric -> values.
        baseline: loss of the best constant output; None if unknown.
        higher_is_better: of every metric.
    """

    facts: Known
    evaluated: np.ndarray
    evaluations: Mapping[str, np.ndarray]
    baseline: float | None
    higher_is_better: Mapping[str, bool]


def examine_lane(replay: Replay, recorded: Recorded) -> list[Outcome]:
    """Every rung, for a lane that was trained again up to its end.

    Args:
        replay: at the lane's end.
        recorded: what the record says of it.
    """
    with quiet_threads():
        run = replay.as_short_run(recorded.evaluated, dict(recorded.evaluations))
        climbs = _climbs(replay, recorded, run)
        return [_climbed(name, climbs, without=_without(replay, recorded.facts)) for name in RUNGS]


def _without(replay: Replay, facts: Known) -> Mapping[str, str]:
    """Rungs that mean nothing for this lane, and why."""
    if not is_lost(facts.lane):
        return {}
    how = "was culled at" if facts.lane.status == "culled" else "stood still since" if facts.is_stuck else "diverged at"
    why = f"the lane {how} step {facts.ended_at:,}"
    return dict.fromkeys(OF_LIFE if replay.broken is None else OF_LIFE | OF_NUMBERS, why)


def _climbed(name: str, climbs: Mapping[str, Callable[[], Outcome]], *, without: Mapping[str, str]) -> Outcome:
    if name in OF_TASK and name not in climbs:
        return skipped(name, "the same for every lane: ravine doctor TASK climbs it")
    if name in without and name not in climbs:
        return skipped(name, without[name])
    if name not in climbs:
        return judged(name, "went well at it, as the record has it")
    try:
        return climbs[name]()
    except Exception as error:  # one rung that cannot be climbed does not hide the others
        return unknown(name, f"could not be measured: {type(error).__name__}: {first_line(error)}")


def _climbs(replay: Replay, recorded: Recorded, run: ShortRun) -> dict[str, Callable[[], Outcome]]:
    found: dict[str, Callable[[], Outcome]] = {
        "gradients": lambda: checks_gradients.gradients(run.trajectory),
        "update-to-weight": lambda: checks_gradients.updates(run.trajectory),
        "dead units": lambda: checks_gradients.units(run.after),
        "activations": lambda: checks_gradients.activations(run.after),
        "curve": lambda: _curve(recorded, run),
        "precision": lambda: checks_numbers.precision(replay.subject(), run.before, run.after),
        "curvature": lambda: checks_numbers.curvature(replay.subject(), run, run.trajectory.rate),
        "batch size": lambda: checks_numbers.batch_size(replay.subject(), run),
    }
    facts = recorded.facts
    for name in _without(replay, facts):
        del found[name]
    if is_lost(facts.lane):
        finding = explain(facts, see(replay), stable_factor(replay))
        found[finding.rung] = partial(_joined, found.get(finding.rung), finding)
    return found


def _joined(climb: Callable[[], Outcome] | None, finding: Finding) -> Outcome:
    """The lane's diagnosis in its rung, before what the rung finds by itself."""
    rest = climb().findings if climb is not None else ()
    # An error that the diagnosis names as well is the same one.
    return judged(finding.rung, finding.measured, [finding, *(one for one in rest if one.severity != "error")])


def _curve(recorded: Recorded, run: ShortRun) -> Outcome:
    is_whole = recorded.facts.lane.status == "done"
    return checks_curve.curve(run.trajectory, recorded.baseline, higher_is_better=recorded.higher_is_better, is_whole=is_whole)


def seen_of(replay: Replay) -> Seen:
    """A look into a lane at its end, under the settings in which lanes are trained."""
    with quiet_threads():
        return see(replay)
