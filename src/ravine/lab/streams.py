"""A session's events for one tab: the whole state, then only what is new since the tab's cursor."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ravine.lab.answers import text
from ravine.lab.history import floats
from ravine.lab.protocol import Event, Hello, LaneInfo, Points, SameWeights
from ravine.lab.sessions import Session
from ravine.lab.settings import sweep_in_words

QUIET_S = 15.0
"""Seconds after which a stream says that it is still there."""

FRAME_S = 1 / 30
"""Seconds between two frames at least."""


@dataclass(slots=True)
class Cursor:
    """What a tab has of a session: revision and steps in its address, the rest since its stream was opened."""

    revision: int = -1
    steps: int = 0
    edition: int = -1
    said: int = 0
    evaluated: int = 0
    looked: int = -1

    @classmethod
    def read(cls, given: str) -> "Cursor":
        """The cursor of an event's id; the beginning where it is none."""
        revision, _, steps = given.partition("-")
        return cls(int(revision), int(steps)) if revision.isdecimal() and steps.isdecimal() and len(given) < 30 else cls()

    @property
    def id(self) -> str:
        """As an event's id."""
        return f"{self.revision}-{self.steps}"


async def stream(session: Session, cursor: Cursor) -> AsyncIterator[str]:
    """Events as text, until the session ends.

    Args:
        session: whose.
        cursor: what the tab has.
    """
    session.watchers += 1
    try:
        while True:
            for event in new_events(session, cursor):
                yield f"event: {event['kind']}\nid: {cursor.id}\ndata: {text(event)}\n\n"
            if session.is_ended:
                return
            is_behind = cursor.steps < session.history.steps
            # What comes while this tab waits is sent together: a slow tab gets larger frames, not a queue of them.
            if not is_behind and not await session.news(QUIET_S):
                yield ": still here\n\n"
            else:
                await asyncio.sleep(FRAME_S)
    finally:
        session.watchers -= 1


def new_events(session: Session, cursor: Cursor) -> Sequence[Event]:
    """What a tab does not have, which then counts as had."""
    found: list[Event] = []
    history = session.history
    if (cursor.revision, cursor.edition) != (session.revision, session.edition):
        if cursor.revision != session.revision or cursor.steps > history.steps:
            cursor.steps = 0
        if cursor.revision != session.revision or cursor.edition < 0:
            cursor.said = len(history.said)
        cursor.revision, cursor.edition = session.revision, session.edition
        cursor.evaluated, cursor.looked = len(history.evaluations), -1 if history.last is None else history.last["step"]
        found.append(hello(session, cursor.steps))
    # Frames before words, so that a lane has its losses when its end is told.
    looked = -1 if history.last is None else history.last["step"]
    if (cursor.steps, cursor.evaluated, cursor.looked) != (history.steps, len(history.evaluations), looked):
        frame = history.frame(session.revision, cursor.steps, cursor.evaluated, cursor.looked)
        cursor.steps, cursor.evaluated, cursor.looked = frame["last"], len(history.evaluations), looked
        found.append(frame)
    if cursor.steps == history.steps:
        # A status was told before steps that came since: the tab must not go back to its own.
        found += [one | {"step": history.steps} if one["kind"] == "status" else one for one in history.said[cursor.said :]]
        cursor.said = len(history.said)
    return found


def hello(session: Session, resumes_at: int) -> Hello:
    """The whole state of a session.

    Args:
        session: whose.
        resumes_at: step from which frames follow.
    """
    facts, history, setting = session.facts, session.history, session.setting
    assert setting is not None, "a session that is told of has a setting"
    nothing = np.empty(0, dtype=np.float32)
    points = facts.get("points")
    data = None if points is None else Points(x=floats(points[0]), y=floats(points[1]), count=len(points[0]))
    return Hello(
        kind="hello",
        session=session.name,
        revision=session.revision,
        setting=setting,
        state=session.state,
        message=session.message,
        running=session.pace.is_playing,
        speed=session.pace.speed,
        step=history.steps,
        resumes_at=resumes_at,
        lanes=cast(list[LaneInfo], facts.get("lanes", [])),
        task=facts.get("task", ""),
        metric=facts.get("metric", ""),
        grid=floats(facts.get("grid", nothing)),
        target=floats(facts.get("target", nothing)),
        data=data,
        protocol=protocol_line(session),
        same_weights=_same(session),
        diverged=list({one["lane"]: one for one in history.said if one["kind"] == "diverged"}.values()),
        evaluations=list(history.evaluations),
        kept=sorted(history.looks),
        snapshot=history.last,
    )


def _same(session: Session) -> SameWeights | None:
    facts, setting = session.facts, session.setting
    if not facts or setting is None:
        return None
    asserted = bool(facts["same_weights"] and facts["same_batches"])
    return SameWeights(asserted=asserted, weights=facts["weights"], batches=facts["batches"], seed=setting["seed"])


def protocol_line(session: Session) -> str:
    """How the race is run, as it stands beside the figure; empty until it is known."""
    facts, make = session.facts, session.make
    if not facts or make is None:
        return ""
    setting: Any = make.setting
    rates = list(make.rates.values())
    if setting["lrs"] == "tuned":
        how = f"each at the best of {sweep_in_words(setting)}"
    elif len(set(rates)) == 1:
        how = f"all at the rate {rates[0]:g}, which is not the best of each"
    else:
        how = "each at the rate that was set by hand"
    rows, whole = facts["rows"], facts["train_rows"]
    batch = f"all {whole:,} rows a step" if rows == whole else f"{rows:,} of {whole:,} rows a step"
    where = "validation: other points of the same data"
    return (
        f"{facts['task']}; {facts['parameters']:,} parameters; {setting['steps']:,} steps, {batch}, schedule {setting['schedule']}; {how}; "
        f"seed {setting['seed']}, one seed, so no ranking holds beyond it; training loss before each step, {where}; trained {facts['mode']}"
        + (f" ({facts['why']})" if facts["why"] else "")
    )
