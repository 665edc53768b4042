"""`ravine doctor`."""

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine.base.errors import InputError
from ravine.cli import _doctoring, _files, _values

if TYPE_CHECKING:
    from ravine.records.findings import Diagnosis

FOUND = 1
"""Exit status where any finding is an error."""

Text = Annotated[
    str | None, typer.Argument(metavar="TASK", help="As for `ravine race`; with --lane a record, FILE.ravine; none with --curve.")
]
Lane = Annotated[
    int | None,
    typer.Option(metavar="K", parser=_values.whole_number, help="Train this lane of the record FILE.ravine again, and examine it."),
]
Curve = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Read a run's curve: CSV, JSON, trainer_state.json, TensorBoard or W&B folder.")
]
Columns = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=NAME", help="Column of --curve for step, loss, val_loss or accuracy; repeatable.")
]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE.png", help="Draw the curve of --curve, its findings marked.")]
Optimizer = Annotated[str, typer.Option(metavar="NAME", help="See `ravine optimizers`.")]
Rate = Annotated[float | None, typer.Option(metavar="X", parser=_values.number, help="The rate that you train with.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyper, such as momentum=0.95; repeatable.")]
Steps = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Of each short training; fewer where a step is slow.")]
Seeds = Annotated[int, typer.Option(metavar="K", parser=_values.whole_number, help="Lanes that a measurement is repeated on.")]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of everything random.")]
Html = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write it as one self-contained page, too.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files at --html and --out.")]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON (schema 1), and nothing else, on the standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no messages but errors.")]


def doctor(
    task: Text = None,
    *,
    lane: Lane = None,
    curve: Curve = None,
    columns: Columns = None,
    out: Out = None,
    optimizer: Optimizer = "adamw",
    lr: Rate = None,
    hypers: Set = None,
    steps: Steps = 200,
    seeds: Seeds = 3,
    seed: Seed = 0,
    html: Html = None,
    force: Force = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find out why a model, a lane of a race, or a run is not learning.

    A ladder of checks, each with what was measured, what was allowed, where that comes from and what to do. A rung that a lower
    one makes meaningless is skipped. Exit status: 0 without errors, 1 with any, 2 for unusable input.
    """
    options = {"optimizer": optimizer, "lr": lr, "hypers": hypers, "steps": steps, "seeds": seeds, "seed": seed}
    what = _doctoring.what(task, lane, curve, columns=columns, out=out, own=_own(options))
    if force and html is None and out is None:
        raise InputError("--force has no effect without --html or --out. Leave it out, or give one of them.")
    if out is not None:
        _files.check_new(out, force=force, option="another --out")
    if html is not None:
        _files.check_new(html, force=force, option="another --html")
    # What the user's own code prints is a message; results alone go to the standard output.
    with contextlib.redirect_stdout(sys.stderr):
        if curve is not None:
            found = _doctoring.read_curve(curve, columns, out)
        else:
            found = _doctoring.examine_lane(what, lane) if lane is not None else _examine(what, options, quiet=quiet)
    from ravine.report.diagnosis import diagnosis_text, write_diagnosis

    if html is not None:
        write_diagnosis(found, html)
    typer.echo(json.dumps(found.summary(), allow_nan=False, indent=2) if as_json else diagnosis_text(found))
    for name, path in (("page", html), ("figure", out)):
        if path is not None and not (as_json and quiet):
            typer.echo(f"{name}  {path}", err=as_json)
    if found.has_errors:
        raise typer.Exit(FOUND)


def _own(options: Mapping[str, Any]) -> dict[str, bool]:
    """Option of a task's examination -> whether it was given another value than the usual one."""
    usual = {"optimizer": "adamw", "lr": None, "hypers": None, "steps": 200, "seeds": 3, "seed": 0}
    return {f"--{'set' if name == 'hypers' else name}": options[name] not in (value, []) for name, value in usual.items()}


def _examine(task: str, options: Mapping[str, Any], *, quiet: bool) -> "Diagnosis":
    import ravine

    return ravine.diagnose(task, **{**options, "hypers": _hypers(options["hypers"])}, observer=None if quiet else _tell)


def _hypers(given: list[str] | None) -> dict[str, float]:
    """Hypers from NAME=VALUE."""
    found = dict[str, float]()
    for part in given or ():
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise InputError(f"--set {part}: must be NAME=VALUE. Write it like --set momentum=0.95.", given=part)
        found[name.strip()] = _values.number(value)
    return found


def _tell(rung: str) -> None:
    typer.echo(f"{rung} ...", err=True)
