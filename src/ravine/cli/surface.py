"""`ravine surface`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ravine.base.errors import InputError
from ravine.cli import _slicing, _values
from ravine.cli._drawing import Dark, Delivery, Force, Json

if TYPE_CHECKING:
    from ravine.records.surfaces import SurfaceRace

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FORMULA|slice:TASK",
        help="ravine (ravine:condition=100,angle=30), bowl, saddle, monkey_saddle, plateau, rosenbrock, beale, himmelblau, rastrigin, "
        'ackley, styblinski_tang, a formula such as "x**2 + 3*y**2", or slice:TASK for the loss around a trained model.',
    ),
]
Optimizers = Annotated[str | None, typer.Option(metavar="A,B,...|all", help="See `ravine optimizers`; five usual ones if left out.")]
Tuned = Annotated[bool, typer.Option("--tuned", help="Each at its own rate, the best of one grid; so it is without --lr as well.")]
Rate = Annotated[str | None, typer.Option("--lr", metavar="X[,Y,...]", help="One rate for all, or the rates to tune on.")]
Steps = Annotated[
    int | None,
    typer.Option(metavar="N", parser=_values.whole_number, help="Of each path (200), or of the training that a slice begins with (1000)."),
]
Start = Annotated[str | None, typer.Option(metavar="X,Y", help="Where paths begin.")]
Domain = Annotated[str | None, typer.Option(metavar="X,X,Y,Y", help="What is drawn, and where a formula's minima are looked for.")]
Noise = Annotated[
    float | None, typer.Option(metavar="S", parser=_values.number, help="Standard deviation of noise on every gradient's entries.")
]
Seed = Annotated[int, typer.Option(metavar="K", parser=_values.whole_number, help="Of noise, training and directions.")]
Of = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIR|FILE",
        help="Of a slice: a folder that `ravine train` wrote, or weights in one. Two make the line between them, three or more a plane; "
        "without any, the task is trained first.",
    ),
]
Trajectory = Annotated[bool, typer.Option("--trajectory", help="Of a slice: the plane of all snapshots in the folder at --of.")]
Dimensions = Annotated[
    int | None, typer.Option(metavar="1|2", parser=_values.whole_number, help="Of a slice around a model; 2 if left out.")
]
Span = Annotated[
    float | None, typer.Option(metavar="X", parser=_values.number, help="Of a slice around a model: how far it goes; 1 if left out.")
]
Points = Annotated[
    int | None, typer.Option(metavar="N", parser=_values.whole_number, help="Of a slice, along each direction; 51 if left out.")
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE.png|svg|pdf|gif|mp4|json", help="Draw it, film it, or keep the numbers.")
]

FILMS = (".gif", ".mp4")
USUAL = "sgd,momentum,rmsprop,adam,lion"


def surface(
    name: Name,
    *,
    optimizers: Optimizers = None,
    tuned: Tuned = False,
    lr: Rate = None,
    steps: Steps = None,
    start: Start = None,
    domain: Domain = None,
    noise: Noise = None,
    seed: Seed = 0,
    of: Of = None,
    trajectory: Trajectory = False,
    dimensions: Dimensions = None,
    span: Span = None,
    points: Points = None,
    out: Out = None,
    dark: Dark = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Let optimisers race over a function of two numbers and draw their paths, or slice the loss of a trained model.

    Printed for each optimiser: its rate, the steps to the minimum, the final distance, the overshoot and the length of its path.

    A slice shows the training loss around a model along random directions (filter-normalised), along the line between two
    models, or in the plane of a training: ravine surface slice:digits --of digits-trained
    """
    racing = {"--optimizers": optimizers, "--tuned": tuned or None, "--lr": lr, "--start": start, "--domain": domain, "--noise": noise}
    slicing = {"--of": of, "--trajectory": trajectory or None, "--dimensions": dimensions, "--span": span, "--points": points}
    is_slice = name.startswith(_slicing.PREFIX)
    _refuse(racing if is_slice else slicing, "a slice" if is_slice else "a race on a surface")
    delivery = Delivery(out, force, dark, as_json, films=() if is_slice else FILMS)
    if is_slice:
        from ravine.report.slices import slice_figure, slice_text

        found = _slicing.sliced(name.removeprefix(_slicing.PREFIX), slicing, steps=steps, seed=seed)
        delivery.deliver(lambda: slice_text(found), found.summary(), lambda path, theme: slice_figure(found, path, theme=theme))
        return
    from ravine.report.surface_tables import surface_text

    if out is not None and out.suffix.lower() in FILMS:
        from ravine.report.surface_animation import check_film

        check_film(out)
    race = _raced(name, racing, steps, seed)
    delivery.deliver(lambda: surface_text(race), race.summary(), lambda path, theme: _draw(race, path, theme))


def _refuse(given: Mapping[str, Any], what: str) -> None:
    """An option without effect is an error."""
    for option, value in given.items():
        if value is not None:
            raise InputError(f"{option} has no effect on {what}. Leave it out.", given=value)


def _raced(name: str, given: Mapping[str, Any], steps: int | None, seed: int) -> "SurfaceRace":
    rates = _numbers("--lr", given["--lr"], None, "0.01,0.1")
    if given["--tuned"] and rates is not None and len(rates) == 1:
        shown = f"--tuned and --lr {given['--lr']} exclude each other: a single rate leaves nothing to tune"
        raise InputError(f"{shown}. Leave one of them out.", given=rates)
    side = _numbers("--domain", given["--domain"], 4, "-5,5,-5,5")
    place = _numbers("--start", given["--start"], 2, "-3,2")
    entered = _values.names(USUAL if given["--optimizers"] is None else given["--optimizers"]) or []
    import ravine

    start = None if place is None else (place[0], place[1])
    domain = None if side is None else ((side[0], side[1]), (side[2], side[3]))
    made = ravine.surfaces.create(name, start=start, domain=domain)
    return ravine.surfaces.race(made, entered, lr=rates, steps=steps, noise=given["--noise"] or 0.0, seeds=(seed,))


def _draw(race: "SurfaceRace", path: Path, theme: str) -> None:
    from ravine.report import surface_animation, surfaces

    if path.suffix.lower() in FILMS:
        surface_animation.surface_animation(race, path, theme=theme)
    else:
        surfaces.surface_figure(race, path, theme=theme)


def _numbers(option: str, text: str | None, wanted: int | None, example: str) -> list[float] | None:
    """Numbers separated by commas, `wanted` of them or any; None where nothing was given."""
    if text is None:
        return None
    try:
        found = [_values.number(part) for part in text.split(",")]
    except typer.BadParameter:
        found = []
    if not found or wanted not in (None, len(found)):
        many = "numbers" if wanted is None else f"{wanted} numbers"
        raise InputError(f"{option} {text}: must be {many} separated by commas. Write it like {option}={example}.", given=text)
    return found
