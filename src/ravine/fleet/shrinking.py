"""A tile for which memory does not suffice after all is halved, and the run goes on."""

import gc
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import final

import torch

from ravine.base.errors import TaskError
from ravine.fleet.events import Event, Paused, Remark
from ravine.fleet.lanes import Lane
from ravine.fleet.rungs import in_step
from ravine.fleet.telling import Told

RunTile = Callable[[Sequence[Lane]], Iterator[Event]]
"""Runs the lanes of one tile."""

_SENTENCES = ("not enough memory", "can't allocate memory", "cannot allocate memory", "bad_alloc", "out of memory")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an exception, or what it arose from, says that memory did not suffice: Python's, torch's or the driver's."""
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(sentence in str(error).lower() for sentence in _SENTENCES):
            return True
        error = error.__cause__
    return False


@final
class Shrinking:
    """Runs tiles, with fewer lanes at a time once memory has not sufficed.

    Lanes of a tile that failed start again (or go on from the snapshot of the smaller tile, where there is one); what
    was told of them is not told twice. Their numbers are the same up to rounding, and to the bit where a stack of
    another size runs through the same kernels (`ravine.fleet.compaction`).
    """

    def __init__(self) -> None:
        self._most: int | None = None

    def run(self, lanes: Sequence[Lane], run_tile: RunTile) -> Iterator[Event]:
        """Run a tile, in parts if need be.

        Args:
            lanes: its lanes.
            run_tile: runs some of them as a tile of their own.

        Raises:
            TaskError: memory does not suffice for one lane.
        """
        yield from self._all(self._parts(tuple(lanes)), run_tile, Told())

    def _all(self, parts: Sequence[tuple[Lane, ...]], run_tile: RunTile, told: Told) -> Iterator[Event]:
        """Parts of a tile, which wait at a rung only once every one of them does."""
        numbers = tuple(lane.number for part in parts for lane in part)
        yield from in_step([self._one(part, run_tile, told) for part in parts], lambda step: [Paused(numbers, step)])

    def _one(self, part: tuple[Lane, ...], run_tile: RunTile, told: Told) -> Iterator[Event]:
        if (yield from self._succeeds(part, run_tile, told)):
            return
        if len(part) == 1:
            raise TaskError(f"memory did not suffice for lane {part[0].number} alone: use a smaller batch or a smaller model.")
        self._most = -(-len(part) // 2)
        _release()
        yield Remark(f"memory did not suffice for {len(part)} lanes at a time; they go on {self._most} at a time")
        yield from self._all(self._parts(part), run_tile, told)

    def _succeeds(self, part: Sequence[Lane], run_tile: RunTile, told: Told) -> Generator[Event, None, bool]:
        try:
            for event in run_tile(part):
                news = told.news(event)
                if news is not None:
                    yield news
        except Exception as error:
            # The answer is given outside: as long as the exception lives, so does the tile in its frames.
            if not is_out_of_memory(error):
                raise
            return False
        return True

    def _parts(self, lanes: tuple[Lane, ...]) -> list[tuple[Lane, ...]]:
        most = self._most or len(lanes)
        return [lanes[start : start + most] for start in range(0, len(lanes), most)]


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
