"""What a session has seen: every step's loss, looks to scrub back to, and what was said; only ever appended to."""

import base64
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from ravine.lab.protocol import Diverged, End, Evaluation, Failure, Frame, Inspector, Snapshot, Status

FIRST_ROOM = 1024
MOST_STEPS = 4096
"""Steps of one frame: a tab that slept gets several."""

Said = Status | Diverged | End | Failure


def floats(values: np.ndarray) -> str:
    """Numbers as little-endian float32 in base64."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def numbers(values: Any) -> list[float | None]:
    """Numbers one by one, None where they are not finite."""
    return [float(value) if np.isfinite(value) else None for value in values]


@dataclass(slots=True)
class History:
    """Of one revision of a session.

    Attributes:
        lanes: how many.
        steps: taken so far.
        evaluations: in order.
        looks: step -> what was seen, of those that are kept.
        last: the newest look, kept or not.
        alive: lanes that have not diverged.
        said: in order.
    """

    lanes: int = 0
    steps: int = 0
    evaluations: list[Evaluation] = field(default_factory=list)
    looks: dict[int, Snapshot] = field(default_factory=dict)
    last: Snapshot | None = None
    alive: list[bool] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    _losses: np.ndarray = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    def add_losses(self, losses: np.ndarray) -> None:
        """Append steps, (steps, lanes)."""
        count = self.steps + len(losses)
        if self._losses.shape[1:] != losses.shape[1:]:
            self._losses = np.empty((FIRST_ROOM, losses.shape[1]), dtype=np.float32)
        if count > len(self._losses):
            room = np.empty((max(2 * len(self._losses), count), self._losses.shape[1]), dtype=np.float32)
            room[: self.steps] = self._losses[: self.steps]
            self._losses = room
        self._losses[self.steps : count] = losses
        self.steps = count

    def losses(self, first: int, last: int) -> np.ndarray:
        """Losses of steps, (last - first, lanes)."""
        return self._losses[first:last]

    def add_look(self, step: int, predictions: np.ndarray, inside: dict[str, np.ndarray], *, keeps: bool) -> None:
        """Take in a look."""
        inspector = cast(Inspector, {name: numbers(column) for name, column in inside.items()})
        self.last = Snapshot(step=step, predictions=floats(predictions), inspector=inspector)
        if keeps:
            self.looks[step] = self.last

    def look_at(self, step: int) -> Snapshot | None:
        """The newest look at or before a step."""
        if self.last is not None and self.last["step"] == step:
            return self.last
        found = [kept for kept in self.looks if kept <= step]
        return self.looks[max(found)] if found else None

    def frame(self, revision: int, first: int, evaluated: int, looked: int) -> Frame:
        """What is new since a step, at most `MOST_STEPS` of it.

        Args:
            revision: of the session.
            first: steps that the tab has.
            evaluated: evaluations that it has.
            looked: step of the newest look that it has; -1 for none.
        """
        last = min(self.steps, first + MOST_STEPS)
        shown = self.last if self.last is not None and self.last["step"] != looked else None
        return Frame(
            kind="frame",
            revision=revision,
            first=first,
            last=last,
            losses=floats(self.losses(first, last)),
            evaluations=self.evaluations[evaluated:],
            snapshot=shown,
            alive=list(self.alive),
        )
