"""The record of a loop that is watched: a `.ravine` file with one lane, its curves and its findings."""

import math
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from ravine._version import __version__
from ravine.base.errors import InputError
from ravine.doctor.loop_log import Looked
from ravine.records import LaneRow, create

KIND = "watch"
"""Of the record under `meta`, and the stage of its lane."""
EVERY_S = 5.0
"""Seconds between two moments at which readers see what is new."""


@final
class WatchRecord:
    """Writes what a watch sees.

    Args:
        path: a new file.
        task: what is trained, as JSON values.
        optimizer: its class.
        lr: highest rate at the start.

    Raises:
        InputError: something stands there.
        RecordError: it cannot be written.
    """

    def __init__(self, path: str | Path, task: Mapping[str, Any], optimizer: str, lr: float) -> None:
        target = Path(path)
        if target.exists():
            raise InputError(f"record={str(target)!r} exists: a record is never replaced. Give another name, or remove it.", given=target)
        self._writer, self._began, self._flushed = create(target), time.monotonic(), time.monotonic()
        self._written = 0
        versions = {"ravine": __version__, "torch": str(torch.__version__), "python": platform.python_version()}
        facts = {"kind": KIND, "created": datetime.now(UTC).isoformat(), "status": "running", "task": dict(task), "environment": versions}
        for key, value in facts.items():
            self._writer.set_meta(key, value)
        self._writer.add_lanes([LaneRow(lane=0, stage=KIND, optimizer=optimizer, lr=lr, schedule="", seed=0)])
        self._writer.start_lanes([0], KIND)
        self._writer.flush()

    def losses(self, losses: Sequence[float]) -> None:
        """All losses so far; those that are new are written."""
        if len(losses) > self._written:
            new = np.array(losses[self._written :], dtype=np.float32)[:, None]
            self._writer.add_losses([0], self._written, new)
            self._written = len(losses)

    def look(self, names: Iterable[str], looked: Looked) -> None:
        """One step that was looked at."""
        one = looked.measured
        for split, values in (("gradient norm", one.gradients), ("update to weight", one.updates)):
            known = {name: value for name, value in zip(names, values, strict=True) if not math.isnan(value)}
            self._values(looked.step, split, known)
        seen = {activation.name: activation.mean_abs for activation in looked.activations}
        self._values(looked.step, "mean absolute activation", seen)
        self._values(looked.step, "variance over rows", {activation.name: activation.variance for activation in looked.activations})
        self.values(looked.step, "rate", {"lr": looked.lr})

    def values(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Any values of a step, seen by readers every few seconds."""
        self._values(step, split, values)
        if time.monotonic() - self._flushed > EVERY_S:
            self._writer.flush()
            self._flushed = time.monotonic()

    def finish(self, diagnosis: Mapping[str, Any], *, broken: tuple[int, str] | None, is_whole: bool) -> None:
        """The run has ended."""
        took = time.monotonic() - self._began
        if broken is not None:
            self._writer.mark_diverged(0, broken[0] + 1, f"not finite: {broken[1]}")
        self._writer.finish_lanes([0], steps_done=self._written, seconds=took)
        for key, value in {"diagnosis": dict(diagnosis), "status": "done" if is_whole else "interrupted", "wall_s": took}.items():
            self._writer.set_meta(key, value)
        self._writer.close()

    def _values(self, step: int, split: str, values: Mapping[str, float]) -> None:
        if values:
            self._writer.add_evaluation([0], step, split, {name or "model": np.array([value]) for name, value in values.items()})
