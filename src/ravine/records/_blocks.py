"""Training losses on their way to the file: many lanes' unfinished blocks in one array."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ravine.base.errors import InputError
from ravine.records.schema import BLOCK_STEPS


class LossBlocks:
    """Collects every lane's losses into blocks of `BLOCK_STEPS` steps.

    Lanes arrive and leave at any time; each owns a row of one array meanwhile, so that a call for hundreds of lanes is a single copy.
    """

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._data = np.empty((0, BLOCK_STEPS), dtype="<f4")
        self._first = np.empty(0, dtype=np.int64)
        self._count = np.empty(0, dtype=np.int64)
        self._written = np.empty(0, dtype=np.int64)

    def add(self, lanes: Sequence[int], first_step: int, block: np.ndarray) -> Iterator[tuple[int, int, bytes]]:
        """Take in losses of shape (steps, lanes) and yield (lane, first step, data) for every block that they fill.

        Raises:
            InputError: the shape does not fit, or a lane's steps do not continue where it stands.
        """
        if block.ndim != 2 or block.shape[1] != len(lanes):
            raise InputError(f"losses of shape {block.shape} for {len(lanes)} lanes: must be (steps, lanes).", given=block.shape)
        rows = self._rows_of(lanes, first_step)
        next_steps = self._first[rows] + self._count[rows]
        if np.any(next_steps != first_step):
            wrong = int(np.flatnonzero(next_steps != first_step)[0])
            raise InputError(
                f"losses of lane {lanes[wrong]} from step {first_step}: must go on at step {next_steps[wrong]}.", given=first_step
            )
        for start in range(0, len(block), BLOCK_STEPS):
            yield from self._append(lanes, rows, block[start : start + BLOCK_STEPS])

    def unfinished(self, lanes: Iterable[int] | None = None) -> Iterator[tuple[int, int, bytes]]:
        """Yield (lane, first step, data) for every begun block with losses that were not yielded before."""
        for lane in list(self._rows) if lanes is None else lanes:
            row = self._rows.get(lane)
            if row is not None and self._written[row] < self._count[row]:
                self._written[row] = self._count[row]
                yield lane, int(self._first[row]), self._data[row, : self._count[row]].tobytes()

    def forget(self, lanes: Iterable[int]) -> None:
        """Drop lanes; losses not yielded are lost, and the lane may begin anew."""
        for lane in lanes:
            self._rows.pop(lane, None)

    def _append(self, lanes: Sequence[int], rows: np.ndarray, block: np.ndarray) -> Iterator[tuple[int, int, bytes]]:
        # Lanes that began at different steps fill their blocks at different steps, so each count is its own.
        counts = self._count[rows]
        for count in np.unique(counts):
            chosen = np.flatnonzero(counts == count)
            own, room = rows[chosen], BLOCK_STEPS - int(count)
            head, tail = block[:room, chosen], block[room:, chosen]
            self._data[own, count : count + len(head)] = head.T
            self._count[own] += len(head)
            if len(head) < room:
                continue
            for position, row in zip(chosen.tolist(), own.tolist(), strict=True):
                yield lanes[position], int(self._first[row]), self._data[row].tobytes()
            self._first[own] += BLOCK_STEPS
            self._written[own] = 0
            self._data[own, : len(tail)] = tail.T
            self._count[own] = len(tail)

    def _rows_of(self, lanes: Sequence[int], first_step: int) -> np.ndarray:
        new = [lane for lane in lanes if lane not in self._rows]
        if new:
            taken = set(self._rows.values())
            free = [row for row in range(len(self._data)) if row not in taken]
            self._grow(len(new) - len(free))
            free += range(len(free) + len(taken), len(self._data))
            rows = np.array(free[: len(new)])
            self._rows.update(zip(new, rows.tolist(), strict=True))
            self._first[rows], self._count[rows], self._written[rows] = first_step, 0, 0
        return np.fromiter((self._rows[lane] for lane in lanes), dtype=np.int64, count=len(lanes))

    def _grow(self, rows: int) -> None:
        if rows > 0:
            self._data = np.concatenate([self._data, np.empty((rows, BLOCK_STEPS), dtype="<f4")])
            self._first, self._count, self._written = (
                np.concatenate([column, np.zeros(rows, dtype=np.int64)]) for column in (self._first, self._count, self._written)
            )
