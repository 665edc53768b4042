"""Near-best rates on a quadratic, and what is left of the order when the rates are the best."""

from dataclasses import dataclass, replace

import numpy as np

from ravine import surfaces
from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._paths import height_panel, starts
from ravine.report.panels import Picture

SURFACE = "0.5*(20*x**2 + y**2)"
STATED = {"sgd": 0.04, "momentum": 0.02, "adam": 0.20}
LEAST = 1e-300
"""What an optimiser that came to 0 exactly counts with."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        steps: of every path.
        starts: places to start from.
        rates: on the grid of the tuning.
    """

    steps: int
    starts: int
    rates: int


def _part(other: str, *, tuned: bool) -> Part:
    how = "its best rate" if tuned else f"{STATED[other]:g}"
    own = "its best rate" if tuned else f"{STATED['adam']:g}"
    return Part(
        number=f"{other}, tuned" if tuned else other,
        says=f"Adam at {own} ends below {_called(other)} at {how}",
        measures=f"log10 of {_called(other)}'s final height over Adam's",
        above=0.0,
        elsewhere=tuned,
    )


def _called(optimizer: str) -> str:
    """What a sentence calls it."""
    return {"sgd": "SGD", "adam": "Adam"}.get(optimizer, optimizer)


PARTS = (_part("sgd", tuned=False), _part("momentum", tuned=False), _part("sgd", tuned=True), _part("momentum", tuned=True))


def experiment(settings: Settings) -> Measured:
    """Race at the stated rates and on a grid of rates from every start."""
    places = starts(settings.starts, 0, x=(0.5, 2.0), y=(0.5, 2.0))
    grid = tuple(float(rate) for rate in np.geomspace(1e-3, 1.0, settings.rates))
    stated: dict[str, list[float]] = {name: [] for name in STATED}
    tuned: dict[str, list[float]] = {name: [] for name in STATED}
    best: dict[str, list[float]] = {name: [] for name in STATED}
    for place in places:
        at_stated = surfaces.race(SURFACE, {name: {"lr": lr} for name, lr in STATED.items()}, steps=settings.steps, start=place)
        tried = surfaces.race(SURFACE, list(STATED), lr=grid, steps=settings.steps, start=place).tried
        for name in STATED:
            stated[name].append(_log(at_stated.path(name).heights[-1]))
            height, rate = min((row.final_height, row.lr) for row in tried if row.optimizer == name and row.final_height is not None)
            tuned[name].append(_log(height))
            best[name].append(rate)
    numbers: dict[str, Sample] = {}
    for other in ("sgd", "momentum"):
        numbers[other] = over_seeds(np.subtract(stated[other], stated["adam"]))
        numbers[f"{other}, tuned"] = over_seeds(np.subtract(tuned[other], tuned["adam"]))
    also = {f"log10 of {_called(name)}'s final height at {STATED[name]:g}": over_seeds(stated[name]) for name in STATED}
    also |= {
        f"log10 of {_called(name)}'s height at its best rate, median {np.median(best[name]):.3g}": over_seeds(tuned[name])
        for name in STATED
    }
    return Measured(
        numbers=numbers, also=also, picture=_picture(settings, places[0], {name: float(np.median(best[name])) for name in STATED})
    )


def _log(height: float) -> float:
    return float(np.log10(max(height, LEAST)))


def _picture(settings: Settings, place: tuple[float, float], best: dict[str, float]) -> Picture:
    panels = []
    for title, rates in (("stated rates", STATED), ("best rates", best)):
        race = surfaces.race(SURFACE, {name: {"lr": lr} for name, lr in rates.items()}, steps=settings.steps, start=place)
        panel = height_panel(f"{title}: " + ", ".join(f"{name} {lr:.2g}" for name, lr in rates.items()), race, list(STATED), least=1e-26)
        panels.append(replace(panel, y_range=(1e-26, 100.0)))
    return Picture(panels=tuple(panels), caption="Height above the minimum at each step, at the stated rates and at the best ones.")


LESSON = Lesson(
    name="best-rate-quadratic",
    claim="On 0.5 (20 x^2 + y^2), after 300 steps at near-best rates (SGD 0.04, momentum 0.02, Adam 0.20), Adam ends lowest.",
    question="Which optimiser goes lowest on a plain quadratic?",
    source="textbook",
    setup="0.5 (20 x^2 + y^2), {steps} steps from {starts} places with 0.5 < |x|, |y| < 2; the stated rates, then each optimiser's lowest "
    "of {rates} rates from 0.001 to 1 from each place (mean height of the last tenth of the steps)",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(steps=300, starts=12, rates=25),
    full=Settings(steps=300, starts=40, rates=121),
    full_s=90.0,
    explanation="On a quadratic SGD converges at a fixed factor a step: 1 - 2/(k + 1) at its best rate, here with k = 20. Heavy-ball "
    "momentum is faster only with a factor that suits k; with 0.9, of whose two modes the product is 0.9, the error cannot shrink by more "
    "than the root of 0.9 a step, whatever the rate (Polyak 1964). Adam carries the same 0.9 in its first moment, and its step stays near "
    "the rate while the second moment remembers smaller gradients (Kingma and Ba 2015, section 2.1). "
    "A rate called near-best may thus be good for the first steps and poor for the last.",
)
