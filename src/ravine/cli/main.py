"""The command `ravine`: one command a file, every failure one sentence, every status as documented.

Heavy modules load inside the commands, so that `ravine --help` answers at once.
"""

import contextlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ravine._version import __version__
from ravine.base._checks import unknown_name
from ravine.base.errors import RavineError
from ravine.cli import (
    data,
    doctor,
    export,
    figure,
    generate,
    lab,
    lessons,
    listing,
    memory,
    race,
    range_test,
    recipe,
    report,
    schedule,
    show,
    surface,
    train,
)
from ravine.cli._failures import UsageError, explain
from ravine.cli._racing import Interrupted

DONE, BAD_INPUT, INTERRUPTED, BROKEN_PIPE, TERMINATED = 0, 2, 130, 141, 143
"""Exit statuses; 1 is the doctor's for errors that it found, and Python's own for an uncaught exception, a defect of ours.
Above 128: 128 and the signal's number."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: the race ends as after Ctrl-C."""


class Commands(TyperGroup):
    """Commands in the order of the pages below, whose nearest names an unknown one is answered with."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command called `cmd_name`."""
        found = super().get_command(ctx, cmd_name)
        if found is None:
            kind = "figure" if self.name == "figure" else "command"
            raise unknown_name(kind, cmd_name, self.commands, do=f"See: {ctx.command_path} --help")
        return found


app = typer.Typer(cls=Commands, rich_markup_mode=None, add_completion=False)
data_app = typer.Typer(cls=Commands, rich_markup_mode=None, help="Fetch public data sets.")
data_app.callback()(lambda: None)
data_app.command()(data.get)
for command in (race.race, show.show, report.report, recipe.recipe, train.train, generate.generate, doctor.doctor, range_test.range_test):
    app.command()(command)
for other in (lab.lab, export.export, schedule.schedule, surface.surface, memory.memory):
    app.command()(other)
for listed in (listing.tasks, listing.optimizers, listing.schedules):
    app.command()(listed)
app.add_typer(data_app, name="data")
figure_app = typer.Typer(cls=Commands, rich_markup_mode=None, help="Draw what is not about one race: each figure is a command.")
for name, drawn in figure.COMMANDS.items():
    figure_app.command(name)(drawn)
app.add_typer(figure_app, name="figure")
lessons_app = typer.Typer(cls=Commands, rich_markup_mode=None)
lessons_app.callback(invoke_without_command=True)(lessons.list_lessons)
lessons_app.command()(lessons.run)
app.add_typer(lessons_app, name="lessons")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"ravine {__version__}")
        raise typer.Exit


@app.callback()
def ravine(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Which optimiser, learning rate and schedule should I use for my PyTorch model, and why is my run not learning?"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: what follows the program's name; the process's own if None.

    Returns:
        the exit status: 0 done, 1 the doctor found errors, 2 bad input, 130 interrupted, 143 terminated, 141 nobody reads the output
        any more.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _say_anything()
    try:
        with _sigterm():
            _invoke(given or ["--help"])
            _flush_stdout()
    except typer.Exit as ending:
        return ending.exit_code
    except BrokenPipeError:
        _abandon_stdout()
        return BROKEN_PIPE
    except Interrupted as interruption:
        return _stopped(str(interruption), interruption.__cause__)
    except KeyboardInterrupt as error:
        return _stopped("interrupted.", error)
    except (RavineError, UsageError) as error:
        _say(explain(error))
        return BAD_INPUT
    except OSError as error:
        if not _is_of_output(error):
            raise
        _abandon_stdout()
        reason = error.strerror or str(error)
        _say(f"ravine: the output cannot be printed: {reason}; free some space, or print elsewhere. No record was harmed.")
        return BAD_INPUT
    return DONE


def _invoke(arguments: list[str]) -> None:
    # Not `app()`: it would turn interrupts and closed pipes into statuses of its own.
    command = typer.main.get_command(app)
    with command.make_context("ravine", arguments) as context:
        command.invoke(context)


def _stopped(sentence: str, error: BaseException | None) -> int:
    _say(f"ravine: {sentence}")
    return TERMINATED if isinstance(error, Terminated) else INTERRUPTED


def _say(text: str) -> None:
    # Nobody may be left to hear it; the status says it too.
    with contextlib.suppress(OSError):
        typer.echo(text, err=True)


def _say_anything() -> None:
    """Let the standard output escape what its encoding lacks, as the standard error does, rather than fail."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _flush_stdout() -> None:
    # There is none where the caller closed it: `ravine show ... >&-`.
    if sys.stdout is not None:
        sys.stdout.flush()


def _is_of_output(error: OSError) -> bool:
    """Whether printing failed, not a file of ours."""
    return any(frame.name in ("echo", _flush_stdout.__name__) for frame in traceback.extract_tb(error.__traceback__))


def _abandon_stdout() -> None:
    # Python flushes the standard output once more at its end, which would complain about the closed pipe again.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _sigterm() -> Iterator[None]:
    """Turn SIGTERM into `Terminated` inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
