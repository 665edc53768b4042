"""Rungs: steps at which every tile waits until it is decided which lanes go on.

A tile that waits keeps its state where it is, so that a rung cannot change a bit: the lanes that go on never move, and
those that do not are frozen in their place. Whoever decides sees what was reported up to the rung and nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from ravine.fleet.events import Culled, Event, Paused

Judge = Callable[[int], Mapping[int, str]]
"""Says at a rung which lanes end there, by number, and why."""


@dataclass(frozen=True, slots=True)
class Rungs:
    """Where a run waits, and what was decided there.

    Attributes:
        steps: at which every tile waits, each a step of evaluation.
        judge: asked once every tile waits, or is past the step.
        parks: whether a tile that waits leaves memory for its snapshot, where it can.
        decided: step -> lanes that ended there. A tile that comes to it late, because its worker died or memory made it
            smaller, does not wait again.
    """

    steps: tuple[int, ...] = ()
    judge: Judge = lambda step: {}
    parks: bool = False
    decided: dict[int, frozenset[int]] = field(default_factory=dict)

    def verdict(self, step: int) -> Culled:
        """Ask, and note the answer for the tiles."""
        reasons = self.judge(step)
        self.decided[step] = frozenset(reasons)
        return Culled(tuple(reasons), step, tuple(reasons.values()))

    def elsewhere(self) -> "Rungs":
        """The same for another process, which is told what is decided here."""
        return replace(self, judge=nobody, decided=dict(self.decided))


def nobody(step: int) -> Mapping[int, str]:
    """A judge that ends no lane."""
    return {}


def in_step(runs: Iterable[Iterator[Event]], at_rung: Callable[[int], Iterable[Event]]) -> Iterator[Event]:
    """Run one after the other from rung to rung.

    Args:
        runs: events of each; after a `Paused` one waits.
        at_rung: what follows once all wait: given the earliest step at which one does. Those then go on.
    """
    ready, waiting = list(runs), list[tuple[int, Iterator[Event]]]()
    while ready or waiting:
        if not ready:
            step = min(at for at, _ in waiting)
            yield from at_rung(step)
            ready = [run for at, run in waiting if at == step]
            waiting = [(at, run) for at, run in waiting if at != step]
        run = ready.pop(0)
        for event in run:
            if isinstance(event, Paused):
                waiting.append((event.step, run))
                break
            yield event
