"""Why a lane of the page diverged, in the words of a race's diagnosis: from the rates that ran, and a look into the lane trained again."""

from collections.abc import Mapping
from typing import Any

from ravine.doctor.checks_lane import Seen, explain, known, stable_factor
from ravine.doctor.lane_ladder import seen_of
from ravine.doctor.replay import Replay
from ravine.fleet.curvature import CURVATURE
from ravine.lab.course import LANE_SEED, plan_of
from ravine.lab.curves import make_subject
from ravine.race.entrants import Setting
from ravine.race.plan import Plan
from ravine.race.stage import Entry
from ravine.records import Lane
from ravine.records.findings import Finding

MOST_STEPS = 500
"""Of a lane that is trained again to be looked into: a plain loop takes a second for them."""

LATE = 10
"""Steps by which a plain loop, which rounds otherwise, may break later."""

BY_HAND = "Nothing in a race, which finds the rate; by hand, "
"""How a remedy begins in a race that tunes; on the page, rates are set by hand."""

Points = tuple[tuple[float, float], ...]


def diagnose(
    setting: dict[str, Any],
    rates: dict[str, float],
    *,
    lane: int,
    ended: tuple[int, str],
    ran: dict[str, list[float]],
    own: str | None = None,
    points: Points = (),
) -> str:
    """What happened to a lane and what to do about it.

    Args:
        setting: of the race, checked.
        rates: optimiser -> peak rate.
        lane: which.
        ended: the step at which it diverged, counted from 1, and the reason.
        ran: optimiser -> rates at which a sweep went well, ascending.
        own: the user's task as given on the command line.
        points: of a curve that was sent.
    """
    plan = plan_of(make_subject(setting, own, points), rates, setting)
    entrant = plan.entrants[lane]
    entry = entrant.entry("final", lane, Setting(rates[entrant.label]), LANE_SEED)
    seen, factor = _look(plan, entry, entrant.optimizer, ended[0])
    return in_words(finding_of(entry, ended, ran, seen, factor))


def finding_of(entry: Entry, ended: tuple[int, str], ran: Mapping[str, list[float]], seen: Seen | None, factor: float = 2.0) -> Finding:
    """The diagnosis of a lane; see `ravine.doctor.checks_lane.explain`."""
    row = entry.row
    lane = Lane(
        lane=row.lane,
        stage=row.stage,
        optimizer=row.optimizer,
        lr=row.lr,
        schedule=row.schedule,
        seed=row.seed,
        hypers=row.hypers,
        status="diverged",
        diverged_at=ended[0],
        reason=ended[1],
        steps_done=ended[0],
    )
    return explain(known(lane, ran), seen, factor)


def in_words(finding: Finding) -> str:
    """A finding as sentences for the page."""
    remedy = finding.remedy.replace(BY_HAND, "Use ")
    return f"{finding.title[:1].upper()}{finding.title[1:]} ({finding.measured}; limit: {finding.threshold}). {remedy}"


def _look(plan: Plan, entry: Entry, optimizer: str, step: int) -> tuple[Seen | None, float]:
    """A look into the lane at its end; None where a plain loop cannot repeat it soon."""
    if step > MOST_STEPS or CURVATURE in entry.lane.rule.needs:
        return None, 2.0
    try:
        replay = Replay(plan.task, optimizer, entry.lane, plan.steps, plan.race_seed)
        replay.advance(min(step + LATE, plan.steps))
        return seen_of(replay), stable_factor(replay)
    except Exception:  # whatever the user's code raises now: what the losses tell is known without it
        return None, 2.0
