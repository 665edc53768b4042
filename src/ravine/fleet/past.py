"""What was done of a run before it was broken off, so that it goes on where it stood."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from ravine.fleet.calibration import Mode
from ravine.fleet.lanes import Lane
from ravine.fleet.snapshot import Snapshots


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a run before it begins or goes on.

    Attributes:
        snapshots: where tiles under way lie and new snapshots go; None for a run that takes none.
        finished: numbers of lanes that have ended.
        modes: number -> mode, of lanes that had begun. A tile goes on in the mode in which it began, for the bits' sake.
    """

    snapshots: Snapshots | None = None
    finished: frozenset[int] = frozenset()
    modes: Mapping[int, str] = field(default_factory=dict)

    def left(self, tiles: Iterable[Sequence[Lane]]) -> Iterator[tuple[Lane, ...]]:
        """The tiles without the lanes that have ended; none that is empty."""
        for tile in tiles:
            members = tuple(lane for lane in tile if lane.number not in self.finished)
            if members:
                yield members

    def mode(self, tile: Sequence[Lane], otherwise: Mode) -> Mode:
        """How a tile runs: as it began, or as chosen."""
        return cast(Mode, self.modes.get(tile[0].number, otherwise))


NOTHING_PAST = Past()
"""A run from the beginning, without snapshots."""
