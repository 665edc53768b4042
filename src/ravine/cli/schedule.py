"""`ravine schedule`."""

import json
from typing import Annotated, Any

import typer

from ravine.base.errors import InputError
from ravine.cli import _values
from ravine.cli._drawing import Dark, ForcePlot, Plot, Plotted

Name = Annotated[str, typer.Argument(metavar="NAME", help="A schedule's name (`ravine schedules`).")]
Horizon = Annotated[int, typer.Option(metavar="N", parser=_values.whole_number, help="Number of steps.")]
Warmup = Annotated[str, typer.Option(metavar="N|SHARE", help="Steps of a warm-up, or a share of the horizon such as 0.05.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the schedule; may be given again.")]
Rate = Annotated[float | None, typer.Option("--lr", metavar="X", parser=_values.number, help="The peak rate; else multipliers are shown.")]
Csv = Annotated[bool, typer.Option("--csv", help="Every step as CSV.")]
Json = Annotated[bool, typer.Option("--json", help="Every step as JSON (schema 1).")]
Every = Annotated[int | None, typer.Option(metavar="N", parser=_values.whole_number, help="One line for N steps.")]

LONGEST = 10_000_000
"""Steps that are worked out one by one within seconds."""


def schedule(
    name: Name,
    *,
    horizon: Horizon = 1000,
    warmup: Warmup = "0",
    settings: Set = None,
    lr: Rate = None,
    plot: Plot = None,
    csv: Csv = False,
    as_json: Json = False,
    every: Every = None,
    dark: Dark = False,
    force: ForcePlot = False,
) -> None:
    """Tabulate a schedule of the learning rate, and draw it.

    Steps are counted from 0, the last is the horizon less one. Without --csv or --json about ten are shown.
    """
    if csv and as_json:
        raise InputError("--csv and --json exclude each other: give one of them.")
    picture = Plotted(plot, force, dark)
    from ravine.base._checks import count, number
    from ravine.report.schedules import schedule_csv, schedule_figure, schedule_summary, schedule_table, view_schedule
    from ravine.schedules import create

    if every is not None:
        count("--every", every)
    if lr is not None:
        number("--lr", lr, above=0, below=float("inf"), do="Leave it out to see multipliers.")
    count("--horizon", horizon, at_most=LONGEST, do="In Python a schedule takes any step at any horizon.")
    made = create(name, horizon=horizon, warmup=number_or_share(warmup), **_settings(settings or [], _listed(name)))
    view = view_schedule(made, horizon, lr)
    picture.draw(lambda path, theme: schedule_figure(view, path, theme=theme))
    if as_json:
        typer.echo(json.dumps(schedule_summary(view, every or 1), allow_nan=False, indent=2))
    elif csv:
        typer.echo(schedule_csv(view, every or 1), nl=False)
    else:
        typer.echo(f"{view.title}: multiplier {made.formula}")
        typer.echo(schedule_table(view, every))
    picture.tell(is_message=as_json or csv)


def number_or_share(text: str) -> int | float:
    """The text of --warmup: steps, or a share of the horizon."""
    from ravine.schedules.reading import plain_value

    value = plain_value(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"--warmup {text}: must be a whole number of steps or a share below 1. Give one such as 50 or 0.05.", given=text)
    return value


def _listed(name: str) -> list[str]:
    """Settings of a schedule that are lists, so that one number is a list of one."""
    from ravine.schedules import REGISTRY, settings_of

    known = settings_of(REGISTRY[name]) if name in REGISTRY else {}
    return [setting for setting, default in known.items() if isinstance(default, tuple)]


def _settings(given: list[str], listed: list[str]) -> dict[str, Any]:
    """Settings by name; values as numbers, truth values or lists where they read so."""
    from ravine.schedules.reading import plain_value

    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InputError(f"--set {text}: must be KEY=VALUE. Write it like floor=0.1 or milestones=300,600.", given=text)
        if name in ("horizon", "warmup"):
            raise InputError(f"--set {text}: this has an option of its own. Give --{name} {value}.", given=text)
        if name in found:
            raise InputError(f"--set {name} was given twice. Give it once.", given=text)
        read = plain_value(value)
        found[name] = (read,) if name in listed and not isinstance(read, tuple) else read
    return found
