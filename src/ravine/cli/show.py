"""`ravine show`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ravine.base.errors import InputError

Record = Annotated[Path, typer.Argument(metavar="FILE.ravine", help="A record that `ravine race` wrote, finished or not.")]
Json = Annotated[bool, typer.Option("--json", help="The outcome as JSON (schema 1).")]
Csv = Annotated[bool, typer.Option("--csv", help="The ranking as CSV; with --lanes, the lanes.")]
Lanes = Annotated[bool, typer.Option("--lanes", help="Every lane and what became of it.")]


def show(file: Record, *, as_json: Json = False, csv: Csv = False, lanes: Lanes = False) -> None:
    """Show the ranking of a record, or its lanes."""
    for other, name in ((csv, "--csv"), (lanes, "--lanes")):
        if as_json and other:
            raise InputError(f"--json and {name} exclude each other: give one of them. The lanes are to be had with --lanes --csv.")
    from ravine import report
    from ravine.records import open_record

    with open_record(file) as record:
        if as_json:
            text = json.dumps(report.summary(record), allow_nan=False, indent=2)
        elif csv:
            text = (report.lanes_csv(record) if lanes else report.ranking_csv(record)).rstrip("\n")
        else:
            text = (report.lanes_text(record) if lanes else report.table(record)).rstrip("\n")
    typer.echo(text)
