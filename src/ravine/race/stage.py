"""One stage of a race: lanes to the record and back as outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ravine.fleet import Choice, Culled, Diverged, Evaluated, Event, Finished, Lane, LossBlock, Remark, Saved, Snapshots, Started
from ravine.records import LaneRow, Writer

BATCH_SIZE = "batch_size"
"""What a lane's hypers call the rows of its steps, where these are not the task's."""

SILENTLY = "silently"
"""How the reason begins where a lane is found to have diverged only after its stage, from its curve as a whole."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Between a lane's own steps and the race's, which are those of the task's own batch size.

    Attributes:
        whole: rows of a step of the task.
        rows: rows of a step of the lane.
    """

    whole: int
    rows: int

    @property
    def is_even(self) -> bool:
        """Whether they are the same steps."""
        return self.rows == self.whole

    def own(self, step: int) -> int:
        """The lane's step at a step of the race."""
        return step * self.whole // self.rows

    def shared(self, step: int) -> int:
        """The first step of the race at which the lane has taken so many of its own."""
        return -(-step * self.rows // self.whole)


def pace_of(row: LaneRow, whole: int) -> Pace:
    """The pace of a lane.

    Args:
        row: of the record.
        whole: rows of a step of the task.
    """
    return Pace(whole, int(row.hypers.get(BATCH_SIZE, whole)))


@dataclass(frozen=True, slots=True)
class Entry:
    """A lane of the race: what the record says of it, and what the fleet runs."""

    row: LaneRow
    lane: Lane


class Observer(Protocol):
    """Watches a race; every method may be called often and must return quickly."""

    def stage(self, name: str, entries: Sequence[Entry], steps: int, choice: Choice, memory_bytes: int) -> None:
        """A stage begins."""
        ...

    def event(self, event: Event) -> None:
        """Something happened in the running stage."""
        ...

    def note(self, text: str) -> None:
        """A sentence worth reading."""
        ...


class Silent:
    """An observer that ignores everything."""

    def stage(self, name: str, entries: Sequence[Entry], steps: int, choice: Choice, memory_bytes: int) -> None:
        """See `Observer.stage`."""

    def event(self, event: Event) -> None:
        """See `Observer.event`."""

    def note(self, text: str) -> None:
        """See `Observer.note`."""


@dataclass(slots=True)
class Trace:
    """What a lane did.

    Attributes:
        row: its plan.
        evaluations: split -> metric -> step -> value (NaN where diverged).
        diverged_at: step, if it diverged.
        steps_done: steps taken so far, up to its end.
        seconds: its share of the time of its tile, by steps.
        culled_at: step of its rung, if it was culled.
    """

    row: LaneRow
    evaluations: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    diverged_at: int | None = None
    steps_done: int = 0
    seconds: float = 0.0
    culled_at: int | None = None

    @property
    def ended_at(self) -> int | None:
        """Step after which nothing is taken in any more; None where it goes on to the end."""
        return self.culled_at if self.diverged_at is None else self.diverged_at

    def curve(self, split: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of one metric on one split."""
        points = self.evaluations.get(split, {}).get(metric, {})
        return np.array(list(points), dtype=np.int64), np.array(list(points.values()), dtype=np.float64)

    def last(self, split: str, metric: str) -> float:
        """The value at the last evaluated step; NaN if diverged."""
        values = self.curve(split, metric)[1]
        return float(values[-1]) if len(values) else float("nan")


class Scribe:
    """Takes a stage's events into the record and into traces.

    Args:
        writer: the record.
        observer: who else wants to know.
        snapshots: made valid, and removed, in step with the record.
        rows: of a step of the task; evaluations of lanes with others are entered at the race's steps.
    """

    def __init__(self, writer: Writer, observer: Observer, snapshots: Snapshots | None = None, rows: int = 1) -> None:
        self._writer, self._observer, self._snapshots, self._rows = writer, observer, snapshots, rows
        self.traces: dict[int, Trace] = {}

    def begin(self, entries: Sequence[Entry]) -> None:
        """Enter the lanes of a stage."""
        self._writer.add_lanes([entry.row for entry in entries])
        self.traces |= {entry.row.lane: Trace(entry.row) for entry in entries}
        self._writer.flush()

    def take(self, event: Event) -> None:
        """Write one event."""
        match event:
            case Started():
                self._writer.start_lanes(event.lanes, event.mode)
            case LossBlock():
                self._losses(event)
            case Evaluated():
                self._evaluated(event)
                self._writer.flush()
            case Diverged():
                self.diverged(event.lane, event.step, event.reason)
            case Culled():
                self._culled(event)
                self._writer.flush()
            case Finished():
                self._finished(event)
                self._writer.flush()
                if self._snapshots is not None:
                    self._snapshots.discard(event.lanes)
            case Saved():
                # The order matters: a snapshot must never be ahead of its record.
                self._writer.flush()
                if self._snapshots is not None:
                    self._snapshots.commit(event)
            case Remark():
                self._observer.note(event.text)
        self._observer.event(event)

    def diverged(self, lane: int, step: int, reason: str) -> None:
        """Mark a lane as diverged."""
        self.traces[lane].diverged_at = step
        self._writer.mark_diverged(lane, step, reason)

    def silent(self, lane: int, step: int, reason: str) -> None:
        """Mark a lane as diverged since a step of the race."""
        self.diverged(lane, pace_of(self.traces[lane].row, self._rows).own(step), reason)

    def _culled(self, event: Culled) -> None:
        for lane in event.lanes:
            self.traces[lane].culled_at = event.step
        self._writer.mark_culled(event.lanes, event.step, event.reasons)

    def _losses(self, event: LossBlock) -> None:
        taken: dict[int, list[int]] = {}
        for index, lane in enumerate(event.lanes):
            end = self.traces[lane].ended_at
            count = len(event.losses) if end is None else min(end - event.first_step, len(event.losses))
            if count > 0:
                taken.setdefault(count, []).append(index)
        for count, columns in taken.items():
            lanes = [event.lanes[index] for index in columns]
            self._writer.add_losses(lanes, event.first_step, event.losses[:count, columns])
            for lane in lanes:
                self.traces[lane].steps_done = event.first_step + count

    def _evaluated(self, event: Evaluated) -> None:
        ends = (self.traces[lane].culled_at for lane in event.lanes)
        places = [place for place, end in enumerate(ends) if end is None or event.step <= end]
        lanes, values = [event.lanes[place] for place in places], {name: column[places] for name, column in event.values.items()}
        if not lanes:
            return
        # Lanes of one event step together, so their batches are of one size.
        step = pace_of(self.traces[lanes[0]].row, self._rows).shared(event.step)
        self._writer.add_evaluation(lanes, step, event.split, values)
        for metric, column in values.items():
            for lane, value in zip(lanes, column, strict=True):
                splits = self.traces[lane].evaluations.setdefault(event.split, {})
                # As the record keeps it, so that a resumed race reads the same.
                splits.setdefault(metric, {})[step] = float(value) if np.isfinite(value) else float("nan")

    def _finished(self, event: Finished) -> None:
        traces = [self.traces[lane] for lane in event.lanes]
        each = event.seconds / max(1, sum(trace.steps_done for trace in traces))
        for trace in traces:
            trace.seconds = each * trace.steps_done
        # At once: of a tile that ended in part, the rest would go on in a smaller tile, with other bits perhaps.
        self._writer.finish_lanes(event.lanes, steps_done=[trace.steps_done for trace in traces], seconds=[t.seconds for t in traces])


def seconds_per_step(traces: Mapping[int, Trace]) -> dict[str, float]:
    """Mean seconds of one step of one lane, by entrant; lanes that stopped early are left out."""
    times: dict[str, list[float]] = {}
    for trace in traces.values():
        if trace.ended_at is None:
            times.setdefault(trace.row.optimizer, []).append(trace.seconds / max(1, trace.steps_done))
    return {optimizer: float(np.mean(values)) for optimizer, values in times.items()}
