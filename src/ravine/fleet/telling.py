"""What a tile that is run a second time tells anew."""

from dataclasses import replace

from ravine.fleet.events import Diverged, Evaluated, Event, LossBlock, Started


class Told:
    """Remembers what was told of lanes and drops what is told again.

    A tile that goes on from a snapshot repeats what it did since, with the same bits, so the first telling stands.
    """

    def __init__(self) -> None:
        self._started: set[int] = set()
        self._ended: set[int] = set()
        self._steps: dict[int, int] = {}
        self._evaluated: set[tuple[int, int, str]] = set()

    def news(self, event: Event) -> Event | None:
        """The event, or the part of it that is new; None where nothing is."""
        match event:
            case Started():
                is_known = event.lanes[0] in self._started
                self._started.update(event.lanes)
                return None if is_known else event
            case LossBlock():
                return self._losses(event)
            case Evaluated():
                keys = {(lane, event.step, event.split) for lane in event.lanes}
                is_known = keys <= self._evaluated
                self._evaluated |= keys
                return None if is_known else event
            case Diverged():
                is_known = event.lane in self._ended
                self._ended.add(event.lane)
                return None if is_known else event
            case _:
                return event

    def _losses(self, event: LossBlock) -> LossBlock | None:
        end = event.first_step + len(event.losses)
        known = max(0, self._steps.get(event.lanes[0], 0) - event.first_step)
        if known >= len(event.losses):
            return None
        self._steps.update(dict.fromkeys(event.lanes, end))
        return replace(event, first_step=event.first_step + known, losses=event.losses[known:]) if known else event
