"""`ravine export`."""

from pathlib import Path
from typing import Annotated

import typer

Record = Annotated[Path, typer.Argument(metavar="FILE.ravine", help="A record that `ravine race` wrote, finished or not.")]
To = Annotated[str, typer.Option("--to", metavar="FORMAT", help="csv, parquet, tensorboard, mlflow or wandb (W&B's offline mode).")]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="A new folder; RECORD-FORMAT if left out.")]


def export(file: Record, *, to: To, out: Out = None) -> None:
    """Write a record in another tool's format.

    Lanes, every training loss, evaluations and the ranking go into a new folder.
    """
    from ravine.records import open_record
    from ravine.report import export as write

    with open_record(file) as record:
        target = write(record, to, file.with_name(f"{file.stem}-{to}") if out is None else out)
    typer.echo(f"export  {target}")
