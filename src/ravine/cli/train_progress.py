"""A training as it runs: a bar with loss, gradient norm and speed on a terminal, a line for every evaluation everywhere."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.spinner import Spinner
from rich.text import Text

from ravine.cli.progress import Messages
from ravine.trainer import Began, Ended, Evaluated, Event, Noted, Observer, Skipped, Stepped
from ravine.trainer.events import unobserved

WINDOW_S = 5.0
"""Seconds over which the speed is measured."""


class Speed:
    """Examples a second over the last few seconds.

    Attributes:
        examples: seen so far.
    """

    def __init__(self) -> None:
        self.examples = 0
        self._marks: deque[tuple[float, int]] = deque([(time.perf_counter(), 0)])

    def take(self, examples: int) -> None:
        """Count the rows of a step."""
        self.examples += examples
        now = time.perf_counter()
        # A mark every tenth of a second is enough, however short a step is.
        if now - self._marks[-1][0] >= 0.1:
            self._marks.append((now, self.examples))
            while now - self._marks[0][0] > WINDOW_S and len(self._marks) > 2:
                self._marks.popleft()

    @property
    def per_second(self) -> float:
        """Examples a second."""
        start, seen = self._marks[0]
        return (self.examples - seen) / max(time.perf_counter() - start, 1e-9)


class TrainingLines:
    """An observer that writes plain lines: what is set, evaluations and notes.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._speed, self._last = console, Speed(), Stepped(0, 0.0, 0.0, 0.0, 0)
        self._skipped, self._steps, self._started = 0, 0, time.perf_counter()

    def __call__(self, event: Event) -> None:
        """Take in what happened."""
        if isinstance(event, Stepped):
            self._last = event
            self._speed.take(event.examples)
        elif isinstance(event, Began):
            self._begin(event)
        elif isinstance(event, Evaluated):
            self._say(self._evaluation(event))
        elif isinstance(event, Noted):
            self._say(f"note: {event.text}")
        elif isinstance(event, Skipped):
            self._skipped += 1
        elif isinstance(event, Ended):
            self._say(self._ending(event))

    def _begin(self, event: Began) -> None:
        self._steps, self._started, self._speed = event.steps, time.perf_counter(), Speed()
        for line in event.settings:
            self._say(f"set: {line}")
        where = f", from step {event.step:,} on" if event.step else ""
        self._say(f"train: {event.parameters:,} parameters, {event.steps:,} steps{where}")

    def _evaluation(self, event: Evaluated) -> str:
        values = "  ".join(f"{name} {value:.4g}" for name, value in event.values.items())
        best = "  best" if event.is_best else ""
        if event.split != "validation":
            return f"{event.split}: {values}"
        return f"step {event.step:>{len(f'{self._steps:,}')},}  training loss {self._last.loss:.4g}  {event.split} {values}{best}"

    def _ending(self, event: Ended) -> str:
        seconds = time.perf_counter() - self._started
        rate = f", {self._speed.examples / max(seconds, 1e-9):,.0f} examples/s" if self._speed.examples else ""
        skipped = f", {self._skipped} steps left out for overflow" if self._skipped else ""
        ended = {"steps": "done", "patience": "patience ran out"}.get(event.reason, event.reason)
        return f"train: {ended} after {event.step:,} steps, {seconds:.1f} s{rate}{skipped}"

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=not self._console.is_terminal)


class TrainingBars(TrainingLines):
    """The same below which a bar is redrawn.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar: Progress | None = None
        self._waiting = Spinner("dots", "loading the task")

    def __call__(self, event: Event) -> None:
        """Take in what happened."""
        super().__call__(event)
        if isinstance(event, Began):
            self._bar = Progress(
                BarColumn(),
                TextColumn("{task.completed:,} of {task.total:,} steps,"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=self._console,
            )
            self._bar.add_task("", total=event.steps, completed=event.step)
        elif isinstance(event, Ended):
            self._bar = None
            self._waiting.update(text="evaluating")

    def render(self) -> RenderableType:
        """What stands on the terminal at this moment."""
        if self._bar is None:
            return self._waiting
        last = self._last
        if not last.step:
            return self._bar
        self._bar.update(self._bar.task_ids[0], completed=last.step)
        said = f"loss {last.loss:.4g}  gradient norm {last.norm:.3g}  lr {last.lr:.3g}  {self._speed.per_second:,.0f} examples/s"
        # On a line of its own: both would not fit into 80 columns.
        return Group(self._bar, Text(said))


@contextmanager
def watching(*, quiet: bool) -> Iterator[Observer]:
    """An observer that fits where messages go: silent, a live bar on a terminal, or lines."""
    console = Messages(file=sys.stderr)
    if quiet:
        yield unobserved
    elif console.is_terminal and not console.is_dumb_terminal:
        bars = TrainingBars(console)
        with Live(get_renderable=bars.render, console=console, refresh_per_second=5, transient=True):
            yield bars
    else:
        yield TrainingLines(console)
