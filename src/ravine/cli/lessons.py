"""`ravine lessons` and `ravine lessons run`."""

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ravine.base.errors import InputError
from ravine.cli import _files

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="A lesson's name (`ravine lessons`); or --all.")]
All = Annotated[bool, typer.Option("--all", help="Every lesson, and one HTML page of them.")]
Quick = Annotated[bool, typer.Option("--quick", help="The form of seconds: fewer seeds and steps. What --all runs.")]
Full = Annotated[bool, typer.Option("--full", help="The form of minutes, with real MNIST where the claim needs it. What NAME runs.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="For the figure; of --all for the page, else the current folder.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what stands there.")]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON (schema 1), and nothing else, on the standard output.")]

PAGE = "lessons.html"


def list_lessons(context: typer.Context) -> None:
    """Textbook claims about optimisers as experiments: list them, or run one.

    Each says beforehand what would support it and what would refute it; a verdict is what the run says.
    """
    if context.invoked_subcommand is not None:
        return
    from ravine.lessons import get, names
    from ravine.lessons._wording import filled

    for name in names():
        typer.echo(name)
        typer.echo(filled(get(name).claim, initial_indent="    ", subsequent_indent="      "))
    typer.echo("\nRun one: ravine lessons run NAME. All, as one page: ravine lessons run --all")


def run(
    name: Name = None,
    *,
    every: All = False,
    quick: Quick = False,
    full: Full = False,
    out: Out = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Run a lesson: claim, set-up, criterion, measured numbers with intervals, and the verdict.

    NAME runs in full, --all in the quick form, unless the other one is asked for.
    """
    _check(name, every=every, quick=quick, full=full)
    if force and out is None and not every:
        raise InputError("--force has no effect without -o, since no file is written. Leave it out, or give -o FOLDER.")
    folder = None if out is None else _folder(out)
    if every:
        _run_all((folder or Path()) / PAGE, quick=not full, force=force, as_json=as_json)
    else:
        assert name is not None
        _run_one(name, None if folder is None else folder / f"{name}.png", quick=quick, force=force, as_json=as_json)


def _check(name: str | None, *, every: bool, quick: bool, full: bool) -> None:
    if quick and full:
        raise InputError("--quick and --full exclude each other: give one of them.")
    if every and name is not None:
        raise InputError(f"{name} and --all exclude each other: leave one out.", given=name)
    if not every and name is None:
        raise InputError("no lesson was named: give one, such as best-rate-quadratic, or --all. See: ravine lessons")


def _folder(out: Path) -> Path:
    """The folder, made and tried, so that nothing is computed for a place that refuses it."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file: must be a folder. Give {out.parent}, or the name of a new one.", given=out)
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: the folder {out.parent} does not exist; create it, or give another one.", given=out)
    _files.new_folder(out)
    try:
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"--out {out}: nothing can be written there: {reason}; give another folder.", given=out) from error


def _run_one(name: str, figure: Path | None, *, quick: bool, force: bool, as_json: bool) -> None:
    from ravine.cli._tally import duration
    from ravine.lessons import get
    from ravine.lessons._running import carry_out, check_data

    lesson = get(name)
    check_data(lesson, quick=quick)
    if figure is not None:
        _files.check_new(figure, force=force, option="another folder with -o")
    if not quick and lesson.full_s > 10:
        typer.echo(f"the full form takes about {duration(lesson.full_s)} on two cores; --quick takes seconds", err=True)
    # What a training prints is a message; the result alone goes to the standard output.
    with contextlib.redirect_stdout(sys.stderr):
        outcome = carry_out(lesson, quick=quick)
    if figure is not None:
        outcome.figure(figure)
    typer.echo(json.dumps(outcome.summary(), allow_nan=False, indent=2) if as_json else outcome.text())
    if figure is not None:
        typer.echo(f"figure  {figure}", err=as_json)


def _run_all(page: Path, *, quick: bool, force: bool, as_json: bool) -> None:
    from ravine.lessons import names, run_all
    from ravine.lessons.page import ordered, write_page

    _files.check_new(page, force=force, option="another folder with -o")
    chosen = names()
    done: list[str] = []

    def tell(name: str) -> None:
        done.append(name)
        typer.echo(f"{len(done):>2} of {len(chosen)}  {name}", err=True)

    with contextlib.redirect_stdout(sys.stderr):
        outcomes = run_all(chosen, quick=quick, observer=tell)
    write_page(outcomes, page)
    if as_json:
        typer.echo(json.dumps({"schema": 1, "lessons": [outcome.summary() for outcome in outcomes]}, allow_nan=False, indent=2))
    else:
        form = "quick" if quick else "full"
        for outcome in ordered(outcomes):
            typer.echo(f"{outcome.lesson.name:<24}{outcome.verdict} ({form} form)")
    typer.echo(f"page  {page}", err=as_json)
