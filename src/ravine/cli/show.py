"""`ravine show`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ravine.base.errors import InputError

Records = Annotated[
    list[Path], typer.Argument(metavar="FILE.ravine", help="A record that `ravine race` wrote, finished or not; two with --compare.")
]
Json = Annotated[bool, typer.Option("--json", help="The outcome as JSON (schema 1); also of --profile and --compare.")]
Csv = Annotated[bool, typer.Option("--csv", help="The ranking as CSV; with --lanes, the lanes.")]
Lanes = Annotated[bool, typer.Option("--lanes", help="Every lane and what became of it.")]
Profile = Annotated[bool, typer.Option("--profile", help="Performance profiles over seeds and targets, and who beats whom how often.")]
Compare = Annotated[bool, typer.Option("--compare", help="Two records side by side: what differs, and by how much.")]


def show(
    files: Records, *, as_json: Json = False, csv: Csv = False, lanes: Lanes = False, profile: Profile = False, compare: Compare = False
) -> None:
    """Show the ranking of a record, or its lanes or profiles; or compare two records."""
    _check(files, {"--json": as_json, "--csv": csv, "--lanes": lanes, "--profile": profile, "--compare": compare})
    from ravine import report
    from ravine.records import open_record

    if compare:
        with open_record(files[0]) as first, open_record(files[1]) as second:
            _say(report.compare_summary(first, second) if as_json else report.compare_text(first, second))
        return
    with open_record(files[0]) as record:
        if profile:
            _say(report.profile_summary(record) if as_json else report.profile_text(record))
        elif as_json:
            _say(report.summary(record))
        elif csv:
            _say(report.lanes_csv(record) if lanes else report.ranking_csv(record))
        else:
            _say(report.lanes_text(record) if lanes else report.table(record))


def _check(files: list[Path], given: dict[str, bool]) -> None:
    if given["--json"] and (given["--csv"] or given["--lanes"]):
        name = "--csv" if given["--csv"] else "--lanes"
        raise InputError(f"--json and {name} exclude each other: give one of them. The lanes are to be had with --lanes --csv.")
    views = [name for name in ("--profile", "--compare") if given[name]] + [name for name in ("--csv", "--lanes") if given[name]]
    if len(views) > 1 and views != ["--csv", "--lanes"]:
        raise InputError(f"{views[0]} and {views[1]} exclude each other: give one of them.")
    if given["--compare"] and len(files) != 2:
        raise InputError(f"--compare takes two records, and {len(files)} given: ravine show --compare A.ravine B.ravine.", given=files)
    if not given["--compare"] and len(files) > 1:
        raise InputError(
            f"{len(files)} records were given, and one is shown at a time; to see two side by side, add --compare.", given=files
        )


def _say(content: str | dict[str, Any]) -> None:
    typer.echo(content.rstrip("\n") if isinstance(content, str) else json.dumps(content, allow_nan=False, indent=2))
