"""Snapshots: the state of a tile on disk, from which a killed race goes on with the same bits.

A snapshot is a safetensors file whose metadata hold a JSON header; loading one executes nothing. It becomes valid in
two steps, since the record and the snapshot must agree: whoever runs the tile writes a draft and reports it, and
whoever writes the record commits the record first and gives the draft its name then. So a valid snapshot never lies
ahead of its record; rows of the record beyond it are deleted on resuming and written again.
"""

import contextlib
import json
import math
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ravine._version import __version__
from ravine.fleet.durable import apart, digest, reason, sync
from ravine.fleet.events import Remark, Saved

FORMAT = 1
EVERY_S = 30.0
"""Seconds between two snapshots."""

COST_SHARE = 0.02
"""Most of the time that snapshots may take: where one is slow, the next waits longer."""

FIRST_COST_S = 0.02
"""What the first one is thought to take."""

ENDING = ".safetensors"

UNFINISHED = ".tmp*"
"""What safetensors leaves of a draft in whose writing the process was killed (0.8)."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tile at a moment.

    Attributes:
        header: lanes, step and whatever the tile's run put in.
        tensors: flat name -> tensor, in memory of their own.
    """

    header: Mapping[str, Any]
    tensors: Mapping[str, Tensor] = field(repr=False)


class Snapshots:
    """The snapshots of one race.

    Args:
        folder: where they lie; made when the first one is written.
        race: identity of the race; snapshots of another one are ignored.
        every_s: seconds between two snapshots; 0 takes one whenever their cost permits, infinity none.

    Attributes:
        is_ending: asked at every opportunity; once it says True, one more snapshot is taken and the run is interrupted.
    """

    def __init__(self, folder: Path, race: str, every_s: float = EVERY_S) -> None:
        self.folder, self.race, self.every_s = folder, race, every_s
        self.is_ending: Callable[[], bool] = lambda: False
        self._interval, self._last, self._is_broken = every_s, time.perf_counter(), False
        self._cost_s = FIRST_COST_S

    def __getstate__(self) -> tuple[Path, str, float]:
        return self.folder, self.race, self.every_s

    def __setstate__(self, state: tuple[Path, str, float]) -> None:
        self.__init__(*state)  # type: ignore[misc]  # a clock and a question of its own in every process

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next one."""
        return not self._is_broken and time.perf_counter() - self._last >= self._interval

    @property
    def is_broken(self) -> bool:
        """Whether one could not be written, so that no other is tried."""
        return self._is_broken

    def pays(self, work_s: float) -> bool:
        """Whether seconds of work that would otherwise lie in memory alone, for nobody knows how long, are worth one."""
        return not self._is_broken and math.isfinite(self.every_s) and self._cost_s <= COST_SHARE * work_s

    def write(
        self, lanes: Sequence[int], step: int, header: Mapping[str, Any], state: Callable[[], Mapping[str, Tensor]]
    ) -> Saved | Remark:
        """Write a draft; it becomes valid by `commit`.

        A failure is reported once and ends the writing of snapshots in this process, but not the run.

        Args:
            lanes: numbers of the tile's lanes.
            step: steps that it has taken.
            header: JSON values that `find` gives back.
            state: gives the tensors.
        """
        started = time.perf_counter()
        draft = self.folder / f".{_name(lanes)}.{uuid.uuid4().hex[:8]}"
        try:
            self.folder.mkdir(exist_ok=True)
            tensors = apart(state())
            text = json.dumps({**header, **self._identity(lanes), "step": step, "digest": digest("", tensors)})
            save_file(tensors, draft, metadata={"ravine": text})
            sync(draft)
        except (OSError, SafetensorError, ValueError, RuntimeError) as error:  # a full disk is no reason to lose a race
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            self._is_broken = True
            return Remark(
                f"no snapshot can be written to {self.folder} ({reason(error)}): the race goes on, but a kill would cost more of it"
            )
        self._last = time.perf_counter()
        self._cost_s = self._last - started
        self._interval = max(self.every_s, self._cost_s / COST_SHARE)
        return Saved(tuple(lanes), step, str(draft))

    def commit(self, saved: Saved) -> bool:
        """Make a draft the valid snapshot of its tile, once the record holds everything up to its step; False if that failed."""
        draft = Path(saved.draft)
        try:
            draft.replace(draft.with_name(_name(saved.lanes)))
            sync(draft.parent)
        except OSError:
            return False
        return True

    def file(self, lanes: Sequence[int]) -> Path:
        """Where the valid snapshot of exactly these lanes lies, if there is one."""
        return self.folder / _name(lanes)

    def find(self, lanes: Sequence[int]) -> Snapshot | None:
        """The valid snapshot of exactly these lanes; None if there is none that this ravine and this torch wrote whole."""
        try:
            with safe_open(self.file(lanes), framework="pt") as file:
                header = json.loads((file.metadata() or {})["ravine"])
                if any(header[key] != value for key, value in self._identity(lanes).items()):
                    return None
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no dictionary
            return Snapshot(header, tensors) if header["digest"] == digest("", tensors) else None
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def discard(self, lanes: Sequence[int]) -> None:
        """Remove the snapshot of a tile that has ended."""
        with contextlib.suppress(OSError):
            self.file(lanes).unlink(missing_ok=True)

    def keep(self, tiles: Iterable[Sequence[int]]) -> None:
        """Remove every draft, and every snapshot but those of some tiles: one of other lanes knows a later past."""
        kept = {_name(lanes) for lanes in tiles}
        with contextlib.suppress(OSError):
            for path in [file for pattern in (f"*{ENDING}", f".*{ENDING}.*", UNFINISHED) for file in self.folder.glob(pattern)]:
                if path.name not in kept:
                    path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every snapshot and draft, and the folder if nothing else lies in it."""
        self.keep(())
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _identity(self, lanes: Sequence[int]) -> dict[str, Any]:
        return {"format": FORMAT, "ravine": __version__, "torch": torch.__version__, "race": self.race, "lanes": list(lanes)}


def _name(lanes: Sequence[int]) -> str:
    return f"lanes-{lanes[0]}-{len(lanes)}{ENDING}"
