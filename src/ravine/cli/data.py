"""`ravine data`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Name = Annotated[str, typer.Argument(metavar="NAME", help="mnist or fashion-mnist.")]
Folder = Annotated[Path | None, typer.Option(metavar="PATH", help="Where to put it; else in RAVINE_DATA, or in the user's cache.")]

Told: TypeAlias = Callable[[str, int, int | None], None]
"""Told (file name, bytes so far, bytes in all if known)."""


def get(name: Name, folder: Folder = None) -> None:
    """Fetch a public data set and check it.

    Good files that are there already are kept and used.
    """
    from ravine.tasks.fetching import get as fetch

    with _watching() as told:
        paths = fetch(name, folder, progress=told)
    for path in paths:
        typer.echo(path)


@contextmanager
def _watching() -> Iterator[Told]:
    """Bars on a terminal; elsewhere a line for each file that begins."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=console, disable=not console.is_terminal)
    begun: dict[str, int] = {}

    def told(file: str, done: int, total: int | None) -> None:
        if file not in begun:
            begun[file] = int(bars.add_task(file))
            if not console.is_terminal:
                typer.echo(f"fetching {file}", err=True)
        bars.update(bars.tasks[begun[file]].id, completed=done, total=total)

    with bars:
        yield told
