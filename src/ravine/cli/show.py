"""`ravine show`."""

import contextlib
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ravine.base.errors import InputError

Records = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE.ravine", help="A record of `ravine race`, finished or not; two with --compare, more with --profile or --studies."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The outcome as JSON (schema 1); also of --profile and --compare.")]
Csv = Annotated[bool, typer.Option("--csv", help="The ranking as CSV; with --lanes, the lanes.")]
Lanes = Annotated[bool, typer.Option("--lanes", help="Every lane and what became of it.")]
Profile = Annotated[
    bool,
    typer.Option(
        "--profile", help="Performance profiles over seeds and targets, and who beats whom how often; of several records, over all."
    ),
]
Compare = Annotated[bool, typer.Option("--compare", help="Two records side by side: what differs, and by how much.")]
Studies = Annotated[bool, typer.Option("--studies", help="Records of one race under several seeds: how far the tuning's luck reaches.")]


def show(
    files: Records,
    *,
    as_json: Json = False,
    csv: Csv = False,
    lanes: Lanes = False,
    profile: Profile = False,
    compare: Compare = False,
    studies: Studies = False,
) -> None:
    """Show a record: its ranking, lanes or profiles; or compare two; or sum up several studies."""
    given = {"--json": as_json, "--csv": csv, "--lanes": lanes, "--profile": profile, "--compare": compare, "--studies": studies}
    _check(files, given)
    from ravine import report
    from ravine.records import open_record

    if compare:
        with open_record(files[0]) as first, open_record(files[1]) as second:
            _say(report.compare_summary(first, second) if as_json else report.compare_text(first, second))
        return
    if studies or (profile and len(files) > 1):
        as_text, as_values = (report.studies_text, report.studies_summary) if studies else (report.aggregate_text, report.aggregate_summary)
        with contextlib.ExitStack() as stack:
            records = [stack.enter_context(open_record(file)) for file in files]
            _say(as_values(records) if as_json else as_text(records))
        return
    with open_record(files[0]) as record:
        if report.is_watched(record):
            _check_watched(files[0], given)
            _say(report.watched_summary(record) if as_json else report.watched_text(record))
        elif profile:
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
    views = [name for name in ("--profile", "--compare", "--studies", "--csv", "--lanes") if given[name]]
    if len(views) > 1 and views != ["--csv", "--lanes"]:
        raise InputError(f"{views[0]} and {views[1]} exclude each other: give one of them.")
    if given["--compare"] and len(files) != 2:
        number = "1 was" if len(files) == 1 else f"{len(files)} were"
        raise InputError(f"--compare takes two records, and {number} given: ravine show --compare A.ravine B.ravine.", given=files)
    if given["--studies"] and len(files) < 2:
        raise InputError("--studies takes two records or more: ravine show --studies A.ravine A-2.ravine.", given=files)
    if given["--profile"] and len({file.resolve() for file in files}) < len(files):
        raise InputError("--profile was given one record twice, which would count double: name each once.", given=files)
    if len(files) > 1 and not (given["--compare"] or given["--profile"] or given["--studies"]):
        raise InputError(
            f"{len(files)} records were given, and one is shown at a time: for two side by side add --compare, for all of them --profile, "
            "or --studies where they are one race under several seeds.",
            given=files,
        )


def _check_watched(file: Path, given: dict[str, bool]) -> None:
    """A training that was watched has findings, and no ranking."""
    unfit = next((name for name, is_given in given.items() if is_given and name != "--json"), None)
    if unfit is not None:
        raise InputError(f"{unfit} is for races, and {file} is a training that was watched: give --json, or no option.", given=file)


def _say(content: str | dict[str, Any]) -> None:
    typer.echo(content.rstrip("\n") if isinstance(content, str) else json.dumps(content, allow_nan=False, indent=2))
