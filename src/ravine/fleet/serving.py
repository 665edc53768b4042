"""What a worker does, wherever it runs: tiles come in over a line, and what happens to them goes out."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from ravine.base.errors import RavineError, TaskError
from ravine.fleet.calibration import Mode
from ravine.fleet.events import Event, Paused
from ravine.fleet.fleet import Fleet
from ravine.fleet.lanes import Lane, group_lanes
from ravine.fleet.rungs import Rungs
from ravine.fleet.snapshot import Snapshots
from ravine.fleet.tile_run import Evaluations


@dataclass(frozen=True, slots=True)
class Stage:
    """What all tiles of a run share; `number` tells runs apart."""

    number: int
    steps: int
    evaluations: Evaluations
    snapshots: Snapshots | None
    rungs: Rungs = field(default_factory=Rungs)


@dataclass(slots=True)
class Job:
    """A tile to be run, or to go on.

    Attributes:
        lanes, mode: which, and how.
        deaths: workers that ended over it since it last got further.
        decided: what was decided at rungs.
    """

    lanes: tuple[Lane, ...]
    mode: Mode
    deaths: int = 0
    decided: Mapping[int, frozenset[int]] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[int, ...]:
        """What names it: of its lanes."""
        return tuple(lane.number for lane in self.lanes)

    @property
    def make_up(self) -> Any:
        """What a compiled step depends on: tiles of one make-up share it."""
        return self.mode, tuple((group.rule.key, group.size) for group in group_lanes(self.lanes))

    def halves(self) -> list["Job"]:
        """The tile cut in two, where its size may be what kills."""
        middle = -(-len(self.lanes) // 2)
        return [Job(part, self.mode, 1, self.decided) for part in (self.lanes[:middle], self.lanes[middle:])]


class Line(Protocol):
    """A worker's end of the line to whoever gives it tiles.

    A `Stage` comes first and whenever another one begins, then jobs of it, and None where a last snapshot is wanted. Events
    go out, None after the last one of a job, and an exception where there is no going on.
    """

    def poll(self) -> bool:
        """Whether a message waits."""
        ...

    def recv(self) -> Any:
        """The next message; raises `EOFError` if nobody is at the other end any more."""
        ...

    def send(self, message: Any) -> None:
        """Tell the other end."""
        ...


def work(line: Line, fleet: Callable[[], Fleet]) -> None:
    """Run what comes in until nobody is at the other end, or wants a last snapshot.

    Args:
        line: to whoever gives out tiles; told of what the user's code raises as a `TaskError`.
        fleet: makes the fleet whose tiles are run.
    """
    try:
        _serve(line, fleet())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except RavineError as error:
        line.send(TaskError(str(error)))
    except Exception as error:  # everything must reach the parent: a worker has no other voice
        line.send(TaskError(f"a worker process raised {type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"))


def _serve(line: Line, fleet: Fleet) -> None:
    """Run the tiles that come in; those that wait at a rung are held."""
    stage: Stage | None = None
    held = dict[tuple[int, ...], Iterator[Event]]()
    while (message := line.recv()) is not None:
        if isinstance(message, Stage):
            stage, held = message, {}
            evaluations = fleet.on_device(stage.evaluations)
            if stage.snapshots is not None:
                stage.snapshots.is_ending = partial(_is_asked_to_end, line)
            continue
        assert stage is not None
        try:
            stage.rungs.decided.update(message.decided)
            run = held.pop(message.numbers, None)
            if run is None:
                run = fleet.run_tile(message.lanes, stage.steps, evaluations, message.mode, stage.snapshots, rungs=stage.rungs)
            for event in run:
                line.send(event)
                if isinstance(event, Paused):
                    held[message.numbers] = run
                    break
        except KeyboardInterrupt:
            line.send(None)
            return
        if message.numbers not in held:
            line.send(None)


def _is_asked_to_end(line: Line) -> bool:
    """Whether the parent wants a last snapshot: while a tile runs it says nothing else. Raises `EOFError` if it hung up."""
    return line.poll() and line.recv() is None
