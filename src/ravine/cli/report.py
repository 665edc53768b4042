"""`ravine report`."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from ravine.cli import _files

Record = Annotated[Path, typer.Argument(metavar="FILE.ravine", help="A record that `ravine race` wrote, finished or not.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE.html", help="The page; the record's name with .html if left out.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]


def report(file: Record, *, out: Out = None, force: Force = False) -> None:
    """Write a race as one HTML page.

    It is self-contained: it opens from disk and needs no network.
    """
    from ravine._api import Result

    target = file.with_suffix(_files.REPORT) if out is None else out
    result = Result(file)
    # A record that cannot be read is refused before a word on where its page would go.
    result.record().close()
    _files.check_new(target, force=force)
    with contextlib.redirect_stdout(sys.stderr):
        result.report(target)
    typer.echo(f"report  {target}")
