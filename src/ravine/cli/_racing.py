"""One race from the command line: its task loaded, run under watch, and shown with the places of its files."""

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ravine.base._checks import count
from ravine.cli import _files

if TYPE_CHECKING:
    from ravine._api import Result
    from ravine.race.plan import Plan
    from ravine.tasks import Task


class Interrupted(Exception):
    """The user ended the race; `str()` says what remains of it. The signal is the cause."""


def load_task(text: str, batch_size: int | None) -> "Task":
    """The task that `text` names, with other rows of a step where these are given."""
    from ravine.tasks import load

    if batch_size is not None:
        count("--batch-size", batch_size)
    task = load(text)
    return task if batch_size is None else dataclasses.replace(task, batch_size=batch_size).referred(task.reference)


def plan_of(task: "Task", options: Mapping[str, Any]) -> "Plan":
    """The plan of its race.

    Args:
        task: what is raced.
        options: of the race, those that decide how it is run included.

    Raises:
        PlanError: one sentence for each unusable option.
    """
    from ravine.race.plan import Asked, make_plan

    known = {field.name for field in dataclasses.fields(Asked)}
    return make_plan(task, **{name: value for name, value in options.items() if name in known})


def check_resumable(task: "Task", record: Path, options: Mapping[str, Any]) -> None:
    """Raise what `run` would raise of the record that it is to go on with."""
    import ravine._api as api
    from ravine.race.running import check_resumable as check

    if options["resume"]:
        check(plan_of(task, options), record, device=api._device(options["device"], options["ray"]))


def run(task: "Task", record: Path, *, quiet: bool, explain: bool, **options: Any) -> "Result":
    """Race it.

    Raises:
        Interrupted: the user ended it.
    """
    import ravine._api as api
    from ravine.cli.progress import watching

    before = _identity(record)
    try:
        with watching(quiet=quiet, explains=explain) as observer:
            return api.race(task, out=record, observer=observer, **options)
    except KeyboardInterrupt as error:
        begun = record.exists() and (options["resume"] or _identity(record) != before)
        kept = f"the record {record} holds what was done, and the same command with --resume goes on"
        what = kept if begun else "the race had not begun, and nothing was written"
        raise Interrupted(f"interrupted; {what}.") from error


def _identity(path: Path) -> int | None:
    return path.stat().st_ino if os.path.exists(path) else None


def show(result: "Result", files: _files.Outputs, *, resumed: bool, as_json: bool, quiet: bool, theme: str = "light") -> None:
    """Print the outcome, draw what is to lie beside the record, and say where all of it lies."""
    # The ranking first: whatever may go wrong with a drawing, the result is there.
    typer.echo(json.dumps(result.summary(), allow_nan=False, indent=2) if as_json else result.table())
    draw(result, files, resumed=resumed, is_message=as_json, quiet=quiet, theme=theme)


def draw(result: "Result", files: _files.Outputs, *, resumed: bool, is_message: bool, quiet: bool, theme: str = "light") -> None:
    """The figure and the report, and the places of all files: a result, or a message where results are JSON."""
    places = [("record", files.record)]
    figure = functools.partial(result.figure, theme=theme)
    for name, path, write in (("figure", files.figure, figure), ("report", files.report, result.report)):
        if path is not None:
            # Beside a race that was finished before, it was drawn before.
            if not (resumed and path.exists()):
                write(path)
            places.append((name, path))
    if not (is_message and quiet):
        typer.echo("\n".join(f"{name}  {path}" for name, path in places), err=is_message)
