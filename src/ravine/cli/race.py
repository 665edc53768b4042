"""`ravine race`."""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine.base._checks import count
from ravine.base.errors import InputError
from ravine.cli import _files, _values

if TYPE_CHECKING:
    from ravine._api import Result
    from ravine.tasks import Task

Text = Annotated[str, typer.Argument(metavar="TASK", help="Built-in name (`ravine tasks`), file.py, file.py:name or package.module:name.")]
Optimizers = Annotated[str | None, typer.Option(metavar="A,B,C|all", help="Names (`ravine optimizers`); six common ones if left out.")]
Schedule = Annotated[str, typer.Option(metavar="NAME", help="Shape of the rate over the run (`ravine schedules`).")]
Steps = Annotated[int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Optimiser steps of every lane; else 1000.")]
Epochs = Annotated[float | None, typer.Option(metavar="N", parser=_values.number, help="Passes over the training data, not --steps.")]
BatchSize = Annotated[int | None, typer.Option(metavar="B", parser=_values.whole_number, help="Rows of a step, instead of the task's own.")]
Seeds = Annotated[int, typer.Option(metavar="K", parser=_values.whole_number, help="Fresh seeds that the ranking stands on.")]
Rates = Annotated[str, typer.Option(metavar="auto|X,Y", help="Learning rates to try; auto: 12 around each optimiser's own scale.")]
SharedRate = Annotated[
    float | None,
    typer.Option(metavar="X", parser=_values.number, help="One untuned rate for all, as in a textbook figure; not fair."),
]
Exhaustive = Annotated[bool, typer.Option("--exhaustive", help="Run every rate of the grid to its end; else most end early.")]
Target = Annotated[
    float | None, typer.Option(metavar="X", parser=_values.number, help="Value to reach; if left out, close to what the reference reaches.")
]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of everything random.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE.ravine", help="The record; else TASK.ravine here, or a free name.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what stands at --out.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the race at --out, or the latest here; give its own options again.")]
Workers = Annotated[str, typer.Option(metavar="auto|N", help="Processes that share the lanes.")]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where lanes run.")]
Figure = Annotated[bool, typer.Option("--figure/--no-figure", help="Draw a PNG beside the record.")]
Report = Annotated[bool, typer.Option("--report", help="Write an HTML report beside the record.")]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON (schema 1), and nothing else, on the standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no messages but errors.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say why each stage runs as it does: what was measured, what was not tried.")]


class Interrupted(Exception):
    """The user ended the race; `str()` says what remains of it. The signal is the cause."""


def race(
    task: Text,
    *,
    optimizers: Optimizers = None,
    schedule: Schedule = "constant",
    steps: Steps = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    seeds: Seeds = 5,
    lrs: Rates = "auto",
    shared_lr: SharedRate = None,
    exhaustive: Exhaustive = False,
    target: Target = None,
    seed: Seed = 0,
    out: Out = None,
    force: Force = False,
    resume: Resume = False,
    workers: Workers = "auto",
    device: Device = "auto",
    figure: Figure = True,
    report: Report = False,
    as_json: Json = False,
    quiet: Quiet = False,
    explain: Explain = False,
) -> None:
    """Race optimisers on a task and rank them.

    Each is tuned on its own learning rates with an equal budget, and ranked on fresh seeds with intervals and ties.

    Prints the ranked table and a recommendation, and says where the record, the figure and the report lie.
    """
    options: dict[str, Any] = {"steps": steps, "epochs": epochs, "seeds": seeds, "shared_lr": shared_lr, "target": target}
    names, rates, processes = _values.optimizers(optimizers), _values.rates(lrs), _values.workers(workers)
    options |= {"optimizers": names, "lrs": rates, "schedule": schedule, "workers": processes, "device": device}
    options |= {"race_seed": seed, "force": force, "resume": resume, "exhaustive": exhaustive}
    if explain and quiet:
        raise InputError("--explain and --quiet exclude each other: one says more, the other nothing.")
    # What the user's own code prints is a message; results alone go to the standard output.
    with contextlib.redirect_stdout(sys.stderr):
        loaded = _load(task, batch_size)
        files = _files.outputs(out, loaded.name, figure=figure, report=report, force=force, resume=resume)
        result = _run(loaded, files.record, quiet=quiet, explain=explain, **options)
    _show(result, files, resumed=resume, as_json=as_json, quiet=quiet)


def _load(text: str, batch_size: int | None) -> "Task":
    from ravine.tasks import load

    if batch_size is not None:
        count("--batch-size", batch_size)
    task = load(text)
    return task if batch_size is None else dataclasses.replace(task, batch_size=batch_size).referred(task.reference)


def _run(task: "Task", record: Path, *, quiet: bool, explain: bool, **options: Any) -> "Result":
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
    return path.stat().st_ino if path.exists() else None


def _show(result: "Result", files: _files.Outputs, *, resumed: bool, as_json: bool, quiet: bool) -> None:
    # The ranking first: whatever may go wrong with a drawing, the result is there.
    typer.echo(json.dumps(result.summary(), allow_nan=False, indent=2) if as_json else result.table())
    places = [("record", files.record)]
    for name, path, write in (("figure", files.figure, result.figure), ("report", files.report, result.report)):
        if path is not None:
            # Beside a race that was finished before, it was drawn before.
            if not (resumed and path.exists()):
                write(path)
            places.append((name, path))
    if not (as_json and quiet):
        typer.echo("\n".join(f"{name}  {path}" for name, path in places), err=as_json)
