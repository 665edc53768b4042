"""`ravine recipe`."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from ravine.base.errors import InputError
from ravine.cli import _files

Record = Annotated[Path, typer.Argument(metavar="FILE.ravine", help="A record of a finished race.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE.py", help="The script; the standard output if left out.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
Form = Annotated[
    str,
    typer.Option(
        metavar="torch|ravine|transformers", help="Plain PyTorch; ravine's own names; or TrainingArguments where they can say it."
    ),
]


def recipe(file: Record, *, form: Form = "torch", out: Out = None, force: Force = False) -> None:
    """Write the winner as a PyTorch script.

    The script is plain PyTorch and does not import ravine, unless --form says otherwise.
    """
    if out is not None:
        if out.suffix == ".ravine":
            raise InputError(f"{out} would be a record, not a script; give a name that ends in .py.", given=out)
        if out.suffix.lower() != ".py" and not out.is_dir():
            raise InputError(f"{out}: a script's name must end in .py; give such a name.", given=out)
        _files.check_new(out, force=force)
    from ravine._api import Result

    # The task is loaded again, and what a user's file prints must not get into the script.
    with contextlib.redirect_stdout(sys.stderr):
        code = Result(file).recipe().code(form=form)
    if out is None:
        typer.echo(code.rstrip("\n"))
        return
    with _files.whole(out) as draft:
        draft.write_text(code, encoding="utf-8")
    typer.echo(f"script  {out}")
