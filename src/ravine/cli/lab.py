"""`ravine lab`."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from ravine.cli import _values

Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE.ravine", help="Records to list first, finished or being written.")]
Task = Annotated[
    str | None, typer.Option(metavar="TASK", help="A task of your own for the race: path/to/file.py, path/to/file.py:name or module:name.")
]
Port = Annotated[
    int | None,
    typer.Option(metavar="N", parser=_values.whole_number, help="To listen on, 0 for any free one; 8747 or the next free if left out."),
]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Print the address and open no browser.")]


def lab(files: Files = None, *, task: Task = None, port: Port = None, no_open: NoOpen = False) -> None:
    """Open the lab in a browser: press Play and watch optimisers train side by side.

    It listens on this machine only, and asks no other host for anything. Ctrl-C ends it and everything that it started.
    """
    import webbrowser

    from ravine.lab import serving

    def announce(address: serving.Address) -> None:
        typer.echo(f"lab  {address.url}")
        if not no_open:
            webbrowser.open(address.url)

    # Ctrl-C is how it is meant to end.
    with contextlib.suppress(KeyboardInterrupt):
        serving.serve(files or (), task=task, port=port, announce=announce)
    typer.echo("lab  ended")
