"""The picture that every course shows: three optimisers in a ravine."""

from dataclasses import dataclass, replace

import numpy as np

from ravine import surfaces
from ravine.lessons._criterion import Part, Sample, over_seeds, share_of_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._paths import height_panel, path_panel, starts
from ravine.records.surfaces import SurfacePath, SurfaceRace
from ravine.report.panels import Picture

OPTIMIZERS = ("sgd", "momentum", "adam")
BEYOND = 0.05
"""Share of the way by which a path must go beyond the minimum, more than SGD's does, to have overshot."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        condition: of the ravine.
        steps: of every path.
        starts: places to start from.
    """

    condition: int
    steps: int
    starts: int


PARTS = (
    Part(
        number="oscillates",
        says="SGD crosses the floor of the ravine at more than half of its steps, from most starts",
        measures="share of starts from which it does",
        above=0.5,
    ),
    Part(
        number="crawls",
        says="SGD takes more steps than momentum",
        measures="log10 of SGD's steps to the minimum over momentum's",
        above=0.0,
    ),
    Part(
        number="overshoots",
        says="momentum goes beyond the minimum, and SGD less so",
        measures="momentum's overshoot less SGD's, as shares of the way",
        above=BEYOND,
    ),
    Part(
        number="shortest",
        says="Adam's path is the shortest",
        measures="log10 of the shorter of the other two paths over Adam's",
        above=0.0,
    ),
    Part(
        number="shortest, turned",
        says="Adam's path is the shortest in a ravine that lies across the axes",
        measures="the same with the ravine turned by 45 degrees",
        above=0.0,
        elsewhere=True,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Race through the ravine from every start, each optimiser at the rate that arrives first."""
    places = starts(settings.starts, 0, x=(2.0, 4.5), y=(0.5, 2.0))
    straight = [_race(settings, 0, place) for place in places]
    turned = [_race(settings, 45, _turned(place)) for place in places]
    sgd, momentum = ([race.path(name) for race in straight] for name in ("sgd", "momentum"))
    numbers: dict[str, Sample] = {
        "oscillates": share_of_seeds([_crossings(path, settings) > 0.5 for path in sgd]),
        "crawls": over_seeds([np.log10(_steps(a, settings) / _steps(b, settings)) for a, b in zip(sgd, momentum, strict=True)]),
        "overshoots": over_seeds([(b.overshoot or 0.0) - (a.overshoot or 0.0) for a, b in zip(sgd, momentum, strict=True)]),
        "shortest": over_seeds([_shorter(race) for race in straight]),
        "shortest, turned": over_seeds([_shorter(race) for race in turned]),
    }
    also = {f"{name}'s steps to the minimum": over_seeds([_steps(race.path(name), settings) for race in straight]) for name in OPTIMIZERS}
    also |= {
        f"{name}'s path as a multiple of the straight way": over_seeds([_detour(race.path(name)) for race in straight])
        for name in OPTIMIZERS
    }
    panels = (
        path_panel("along the axes", straight[0], OPTIMIZERS),
        path_panel("turned by 45 degrees", turned[0], OPTIMIZERS),
        height_panel("along the axes", straight[0], OPTIMIZERS),
        height_panel("turned by 45 degrees", turned[0], OPTIMIZERS),
    )
    return Measured(numbers=numbers, also=also, picture=Picture(panels=panels, caption="Paths of the first start, and their heights."))


def _race(settings: Settings, angle: int, start: tuple[float, float]) -> SurfaceRace:
    surface = surfaces.create("ravine", condition=settings.condition, angle=angle)
    if angle:
        # Across the axes the ravine needs as much room upwards as sidewards.
        surface = replace(
            surface, domain=((-5.0, 5.0), (-5.0, 5.0)), tolerance=surfaces.create("ravine", condition=settings.condition).tolerance
        )
    return surfaces.race(surface, list(OPTIMIZERS), steps=settings.steps, start=start)


def _turned(place: tuple[float, float]) -> tuple[float, float]:
    """The same place of the ravine when that is turned by 45 degrees."""
    x, y = place
    return (x - y) / 2**0.5, (x + y) / 2**0.5


def _steps(path: SurfacePath, settings: Settings) -> int:
    """Steps to the minimum; one more than there were where it never arrived."""
    return settings.steps + 1 if path.steps_to_minimum is None else path.steps_to_minimum


def _crossings(path: SurfacePath, settings: Settings) -> float:
    """Share of the steps to the minimum that go from one wall to the other."""
    height = path.positions[: _steps(path, settings) + 1, 1]
    return float(np.mean(height[1:] * height[:-1] < 0))


def _shorter(race: SurfaceRace) -> float:
    adam, *others = (race.path(name).length or float("inf") for name in ("adam", "sgd", "momentum"))
    return float(np.log10(min(others) / adam))


def _detour(path: SurfacePath) -> float:
    return 1 / path.directness if path.directness else float("nan")


LESSON = Lesson(
    name="ravine-race",
    claim="In a ravine SGD crawls and oscillates, momentum overshoots, and Adam finds the shortest path.",
    question="Is the usual picture of the three what tuned optimisers do?",
    source="textbook",
    setup="0.5 (x^2 + {condition} y^2), {steps} steps from {starts} places, each optimiser at the one of 29 rates over seven decades that "
    "is first to stay at the minimum; then the same ravine turned by 45 degrees",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(condition=50, steps=300, starts=12),
    full=Settings(condition=50, steps=1000, starts=30),
    full_s=70.0,
    explanation="The rate of SGD is bounded by the steep walls, so at its fastest it jumps from wall to wall while the flat floor gives it "
    "almost nothing to go by. Momentum adds up the small, agreeing slopes of the floor and cancels those of the walls, and what it has "
    "added up carries it past the minimum (Polyak 1964; Sutskever et al. 2013). Adam divides each coordinate by its own gradients' size. "
    "Where walls and floor lie along the axes this makes the ravine round; where the ravine lies across them, both coordinates see the "
    "walls and the division can do little (Kingma and Ba 2015; Duchi et al. 2011 on diagonal scaling).",
)
