"""Gradients in half precision: what is lost, what a loss scale rescues, and where the ceiling is."""

import math
from dataclasses import dataclass

import numpy as np

from ravine.exhibits import LossScaling, cast_gradients, model_gradients
from ravine.lessons._criterion import Part, exact
from ravine.lessons._lesson import Lesson, Measured
from ravine.report.panels import Curve, Panel, Picture
from ravine.tasks import load

TEXTBOOK = (1e-3, 2e-5, 5e-7, 4e-8, 9e-9)
SCALE = 2.0**15
CEILING = 65_504.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        task: whose gradients are looked at besides the textbook's five.
        after: steps of training before that.
    """

    task: str
    after: int


PARTS = (
    Part(number="vanish", says="some of the five vanish in fp16", measures="how many of the five become 0", above=0.0),
    Part(
        number="rescued",
        says="a scale of 2^15 rescues all five",
        measures="how many of the five keep their digits in fp16 under the scale",
        above=len(TEXTBOOK) - 0.5,
    ),
    Part(
        number="ceiling",
        says="65,504 is the ceiling of fp16",
        measures="the largest finite number, less 65,504",
        above=-0.5,
        below=0.5,
    ),
    Part(number="bf16", says="bf16 needs no scale", measures="how many of the five keep their digits in bf16", above=len(TEXTBOOK) - 0.5),
    # A thousandth: what is lost beside it moves no weight that the rest does not.
    Part(
        number="real rescued",
        says="a scale of 2^15 rescues a real network's gradients too",
        measures="share of its non-zero gradients that vanish or overflow in fp16 under the scale",
        below=0.001,
        elsewhere=True,
    ),
    Part(
        number="real bf16",
        says="bf16 loses none of a real network's gradients",
        measures="share of its non-zero gradients that vanish or overflow in bf16",
        below=0.001,
        elsewhere=True,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Cast the five, and the gradients of a network that has been trained for a while."""
    five = cast_gradients(TEXTBOOK, ["fp16", "bf16"], (1.0, SCALE))
    real = model_gradients(load(settings.task), settings.after)
    plain, scaled, wide = five.cast("fp16", 1.0), five.cast("fp16", SCALE), five.cast("bf16", 1.0)
    numbers = {
        "vanish": exact(plain.fates.count("vanishes")),
        "rescued": exact(scaled.fates.count("survives")),
        "ceiling": exact(plain.format.largest - CEILING),
        "bf16": exact(wide.fates.count("survives")),
        "real rescued": exact(_lost(real, "fp16", SCALE)),
        "real bf16": exact(_lost(real, "bf16", 1.0)),
    }
    fates = {f"{size:g} in fp16 becomes": exact(kept) for size, kept in zip(TEXTBOOK, plain.kept, strict=True)}
    also = {
        **fates,
        "smallest number of fp16 with all its digits": exact(plain.format.smallest_normal),
        "smallest number of fp16": exact(plain.format.smallest),
        "largest gradient that a scale of 2^15 leaves finite": exact(plain.format.largest / SCALE),
        "share of the network's gradients that vanish in fp16 without a scale": exact(_lost(real, "fp16", 1.0)),
    }
    return Measured(numbers=numbers, also=also, picture=_picture(real))


def _lost(gradients: LossScaling, form: str, scale: float) -> float:
    shares = gradients.cast(form, scale).shares
    return shares["vanishes"] + shares["overflows"]


def _picture(real: LossScaling) -> Picture:
    """Sizes of the network's gradients, and relative errors of fp16 over all sizes."""
    sizes = np.geomspace(1e-9, 10.0, 241)
    cast = cast_gradients(sizes, ["fp16", "bf16"], (1.0, SCALE))
    errors = {"fp16": ("fp16", 1.0), "fp16 x 2^15": ("fp16", SCALE), "bf16": ("bf16", 1.0)}
    curves = tuple(Curve(name=name, x=sizes, y=_error(cast, *key, sizes)) for name, key in errors.items())
    edges = np.geomspace(1e-12, 10.0, 53)
    counts, _ = np.histogram(real.gradients, edges)
    middles = np.sqrt(edges[1:] * edges[:-1])
    share = Curve(name=real.source, x=middles, y=100 * counts / counts.sum())
    panels = (
        Panel(
            title="what casting costs",
            across="size of a gradient",
            up="relative error, worst nearby",
            curves=curves,
            log_x=True,
            log_y=True,
            levels={"vanished": 1.0},
        ),
        Panel(title="gradients of a real network", across="size of a gradient", up="% of them", curves=(share,), log_x=True),
    )
    return Picture(
        panels=panels, caption="Relative error of a gradient in fp16, with and without a scale, and in bf16; sizes of a real network's."
    )


def _error(cast: LossScaling, form: str, scale: float, sizes: np.ndarray) -> np.ndarray:
    """The worst relative error among neighbours: that of one number alone jumps with its last digits."""
    kept = cast.cast(form, scale).kept
    error = np.where(np.isfinite(kept), np.abs(kept - sizes) / sizes, math.nan)
    padded = np.pad(error, 4, mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 9).max(axis=-1))


LESSON = Lesson(
    name="loss-scaling",
    claim="Of gradients of 1e-3, 2e-5, 5e-7, 4e-8 and 9e-9 some vanish in fp16 and a loss scale of 2^15 rescues them; 65,504 is "
    "the ceiling, and bf16 needs none.",
    question="Which gradients does half precision lose, and does one fixed scale help?",
    source="Micikevicius et al. (2018), section 3.2",
    setup="five numbers in real casts, and all gradients of {task} after {after} steps with AdamW",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(task="digits", after=100),
    full=Settings(task="chars:layers=2,width=64", after=300),
    full_s=30.0,
    explanation="fp16 has five bits for the exponent. Below 2^-14, or 6.1e-5, a number loses digits one by one, and below half of "
    "2^-24, or 3e-8, it becomes 0; above 65,504 it becomes infinite. Of the five only 9e-9 is lost outright: 2e-5 and 5e-7 keep "
    "fewer digits, and 4e-8 is rounded up to the smallest number there is. Multiplying the loss by 2^15 multiplies every gradient "
    "by it, and dividing before the step costs nothing, for powers of two change no digits (Micikevicius et al. 2018). The price "
    "is the ceiling: under that scale a gradient of 2 overflows, which is why scales are adapted while a network trains. bf16 has "
    "the eight exponent bits of float32 and needs no scale, and pays with three bits of precision (Kalamkar et al. 2019).",
)
