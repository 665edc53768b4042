"""Gradient descent on an elongated bowl: each coordinate has a factor of its own."""

from dataclasses import dataclass, replace

import numpy as np

from ravine import surfaces
from ravine.lessons._criterion import Part, exact
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._paths import path_panel
from ravine.report.panels import Curve, Panel, Picture

SURFACE = "x**2 + 4*y**2"
START = (3.0, 2.0)
LIMIT = 2 / 8
"""Of the rate, beyond which the steep coordinate, whose curvature is 8, grows: two over the curvature."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The textbook's own.

    Attributes:
        lr: rate.
        steps: of descent.
    """

    lr: float
    steps: int


PARTS = (
    Part(number="flat", says="the flat coordinate shrinks at every step", measures="greatest |x| after a step over |x| before", below=1.0),
    Part(
        number="steep", says="the steep coordinate shrinks at every step", measures="greatest |y| after a step over |y| before", below=1.0
    ),
    Part(
        number="limit",
        says="the rate at which shrinking ends is two over the greatest curvature",
        measures="least rate at which a coordinate grows, over 2/8",
        # Rates are tried a thousandth of the limit apart.
        above=0.998,
        below=1.002,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Descend at the stated rate, and at rates around the limit."""
    bowl = replace(surfaces.create(SURFACE, start=START), domain=((-4.0, 4.0), (-3.0, 3.0)))
    race = surfaces.race(bowl, ["sgd"], lr=settings.lr, steps=settings.steps)
    positions = race.path("sgd").positions
    factors = np.abs(positions[1:] / positions[:-1])
    first = _first_growing(bowl)
    flips = int(np.sum(positions[1:, 1] * positions[:-1, 1] < 0))
    sizes = tuple(Curve(name=name, x=np.arange(len(positions)), y=np.abs(positions[:, axis])) for axis, name in enumerate(("|x|", "|y|")))
    panels = (
        path_panel(f"the way at rate {settings.lr:g}", race, ["sgd"]),
        Panel(title="size of each coordinate", across="step", up="distance from 0", curves=sizes, log_y=True),
    )
    return Measured(
        numbers={"flat": exact(factors[:, 0].max()), "steep": exact(factors[:, 1].max()), "limit": exact(first / LIMIT)},
        also={"steps at which the steep coordinate changes its sign": exact(flips), "|x| at the end": exact(abs(positions[-1, 0]))},
        picture=Picture(panels=panels, caption="Gradient descent from (3, 2): the steep coordinate jumps across the valley as it shrinks."),
    )


def _first_growing(bowl: surfaces.Surface) -> float:
    """The least of some rates around the limit at which a coordinate grows in one step."""
    rates = LIMIT * np.arange(0.99, 1.01, 0.001)
    for rate in rates:
        after = surfaces.race(bowl, ["sgd"], lr=float(rate), steps=1).path("sgd").positions[1]
        if (np.abs(after) > np.abs(START)).any():
            return float(rate)
    return float("inf")


LESSON = Lesson(
    name="elongated-bowl",
    claim="Gradient descent on x^2 + 4 y^2 from (3, 2) at rate 0.15 shrinks both coordinates at every one of 30 steps; it would until the "
    "rate is 2 over the greatest curvature.",
    question="What bounds the rate of gradient descent?",
    source="textbook",
    setup="x^2 + 4 y^2 from (3, 2), rate {lr}, {steps} steps, float64; then one step at each of 20 rates within 1 % of 0.25",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(lr=0.15, steps=30),
    full=Settings(lr=0.15, steps=30),
    full_s=3.0,
    explanation="On a quadratic each coordinate is multiplied by one less the rate times its curvature at every step: here 1 - 2 lr = 0.7 "
    "and 1 - 8 lr = -0.2. A factor below 0 changes the sign, so the path jumps across the valley and still arrives; only beyond 2 over the "
    "curvature is the factor below -1 and the jumps grow. The steepest direction sets the bound for all of them, and the flattest, which "
    "would like a larger rate, sets the pace (Nocedal and Wright 2006, section 3.3).",
)
