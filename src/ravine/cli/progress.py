"""A race as it runs: bars and best losses on a terminal, one line at the start and end of a stage elsewhere."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.spinner import Spinner
from rich.table import Table

from ravine.cli._explaining import explanation, hindsight
from ravine.cli._tally import Tally, beginning
from ravine.fleet import Choice, Event, Finished
from ravine.race.stage import Entry, Observer, Silent


class Unfailing:
    """A stream that drops what it cannot write, such as the standard error on a full disk.

    Args:
        stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, if that is possible."""
        with _no_matter():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if that is possible."""
        with _no_matter():
            self._stream.flush()


@contextmanager
def _no_matter() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # `Messages` falls silent then
    except OSError:
        pass


class Messages(Console):
    """A console whose reader may leave (`2>&1 | head`): that is no reason to lose a race."""

    def on_broken_pipe(self) -> None:
        """Fall silent, where rich would end the process."""
        self.quiet = True


class Lines:
    """An observer that writes plain lines: a stage's start and end, and notes.

    Args:
        console: where to.
        explains: whether to say why each stage runs as it does.
    """

    def __init__(self, console: Console, *, explains: bool = False) -> None:
        self._console, self._tally = console, Tally("", (), 0)
        self._explains, self._choice = explains, Choice("loop", 1, "")

    def stage(self, name: str, entries: Sequence[Entry], steps: int, choice: Choice, memory_bytes: int) -> None:
        """See `Observer.stage`."""
        self._tally, self._choice = Tally(name, entries, steps), choice
        self._say(beginning(name, len(entries), steps, choice, memory_bytes))
        for line in explanation(choice, memory_bytes) if self._explains else ():
            self._say(line)

    def event(self, event: Event) -> None:
        """See `Observer.event`."""
        self._tally.take(event)
        if isinstance(event, Finished) and self._tally.is_over:
            self._say(self._tally.ending())
            if self._explains:
                self._say(hindsight(self._choice, time.perf_counter() - self._tally.started, self._tally.diverged))

    def note(self, text: str) -> None:
        """See `Observer.note`."""
        self._say(f"note: {text}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=not self._console.is_terminal)


class Bars(Lines):
    """An observer that redraws a bar for the stage and a line for every optimiser, below the plain lines.

    Args:
        console: a terminal.
        explains: whether to say why each stage runs as it does.
    """

    def __init__(self, console: Console, *, explains: bool = False) -> None:
        super().__init__(console, explains=explains)
        self._bar: Progress | None = None
        self._waiting = Spinner("dots", "loading the task and timing a step")

    def stage(self, name: str, entries: Sequence[Entry], steps: int, choice: Choice, memory_bytes: int) -> None:
        """See `Observer.stage`."""
        super().stage(name, entries, steps, choice, memory_bytes)
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,} lane-steps,"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
        )
        bar.add_task(name, total=self._tally.total)
        self._bar = bar

    def event(self, event: Event) -> None:
        """See `Observer.event`."""
        super().event(event)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._tally.done)
        if self._tally.is_over:
            self._bar = None
            self._waiting.update(text="comparing")

    def render(self) -> RenderableType:
        """What stands on the terminal at this moment."""
        return self._waiting if self._bar is None else Group(self._bar, standings(self._tally))


def standings(tally: Tally) -> Table:
    """Lanes alive and the best loss so far, a line for each optimiser."""
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "lanes alive", "best loss", "at step"):
        result.add_column(title, justify="right" if title else "left", header_style="dim")
    for optimizer, lanes in tally.lanes.items():
        value, step = tally.best.get(optimizer, (None, None))
        best = ("", "") if value is None else (f"{value:.4g}", f"{step:,}")
        result.add_row(f"  {escape(optimizer)}", f"{tally.alive[optimizer]} of {lanes}", *best)
    return result


@contextmanager
def watching(*, quiet: bool, explains: bool = False) -> Iterator[Observer]:
    """An observer that fits where messages go: silent, a live display on a terminal, or lines."""
    console = Messages(file=None if sys.stderr is None else cast(TextIO, Unfailing(sys.stderr)))
    if quiet:
        yield Silent()
    elif console.is_terminal and not console.is_dumb_terminal:
        bars = Bars(console, explains=explains)
        with Live(get_renderable=bars.render, console=console, refresh_per_second=5, transient=True):
            yield bars
    else:
        yield Lines(console, explains=explains)
