"""`ravine doctor`."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ravine.base.errors import InputError
from ravine.cli import _files, _train_options, _values

FOUND = 1
"""Exit status where any finding is an error."""

Optimizer = Annotated[str, typer.Option(metavar="NAME", help="See `ravine optimizers`.")]
Rate = Annotated[float | None, typer.Option(metavar="X", parser=_values.number, help="The rate that you train with.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyper, such as momentum=0.95; repeatable.")]
Steps = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Of each short training; fewer where a step is slow.")]
Seeds = Annotated[int, typer.Option(metavar="K", parser=_values.whole_number, help="Lanes that a measurement is repeated on.")]
Seed = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Seed of everything random.")]
Html = Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write it as one self-contained page, too.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file at --html.")]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON (schema 1), and nothing else, on the standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no messages but errors.")]


def doctor(
    task: _train_options.Text,
    *,
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
    """Find out why a model is not learning.

    A ladder of checks, each with what was measured, what was allowed, where that comes from and what to do. A rung that a lower
    one makes meaningless is skipped. Exit status: 0 without errors, 1 with any, 2 for unusable input.
    """
    if force and html is None:
        raise InputError("--force has no effect without --html. Leave it out, or give --html.")
    if html is not None:
        _files.check_new(html, force=force, option="another --html")
    import ravine

    given = _hypers(hypers)
    # What the user's own code prints is a message; results alone go to the standard output.
    with contextlib.redirect_stdout(sys.stderr):
        tell = None if quiet else _tell
        found = ravine.diagnose(task, optimizer=optimizer, lr=lr, hypers=given, steps=steps, seeds=seeds, seed=seed, observer=tell)
    from ravine.report.diagnosis import diagnosis_text, write_diagnosis

    if html is not None:
        write_diagnosis(found, html)
    typer.echo(json.dumps(found.summary(), allow_nan=False, indent=2) if as_json else diagnosis_text(found))
    if html is not None and not (as_json and quiet):
        typer.echo(f"page  {html}", err=as_json)
    if found.has_errors:
        raise typer.Exit(FOUND)


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
