"""What a running fleet reports, in the order in which it happens; plain data that may cross a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np


@dataclass(frozen=True, slots=True)
class Started:
    """A tile begins: lane numbers, and how it runs."""

    lanes: tuple[int, ...]
    mode: str


@dataclass(frozen=True, slots=True)
class LossBlock:
    """Training losses of consecutive steps: (steps, lanes) float32; `first_step` 0 is the first; NaN after divergence, told before."""

    lanes: tuple[int, ...]
    first_step: int
    losses: np.ndarray


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Means over a split after `step` updates: metric -> (lanes,) float64; NaN for diverged lanes."""

    lanes: tuple[int, ...]
    step: int
    split: str
    values: Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Diverged:
    """A lane's end: the step, counted from 1, and why."""

    lane: int
    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    """A tile waits at a rung until it is decided which of its lanes go on; nothing else of it follows before."""

    lanes: tuple[int, ...]
    step: int


@dataclass(frozen=True, slots=True)
class Culled:
    """What was decided at a rung: lanes, perhaps none, that end after `step` steps in good health, and why each of them."""

    lanes: tuple[int, ...]
    step: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """A tile is done: lane numbers and the seconds its steps took (evaluation left out)."""

    lanes: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Saved:
    """A tile's state after `step` steps lies in a draft file: valid once the record is committed (`Snapshots.commit`)."""

    lanes: tuple[int, ...]
    step: int
    draft: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence worth reading, about how the run goes on; it changes no number."""

    text: str


Event: TypeAlias = Started | LossBlock | Evaluated | Diverged | Paused | Culled | Finished | Saved | Remark
