"""How hard losses punish a confident mistake."""

from dataclasses import dataclass

import numpy as np

from ravine.exhibits import losses_at
from ravine.lessons._criterion import Part, exact
from ravine.lessons._lesson import Lesson, Measured
from ravine.report.panels import Curve, Panel, Picture


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the losses are read.

    Attributes:
        p: probability given to the true class.
    """

    p: float


# 4.6 and 0.98 are rounded: what rounds to them is meant.
PARTS = (
    Part(number="cross-entropy", says="cross-entropy at p = 0.01 is 4.6", measures="-ln p", above=4.55, below=4.65),
    Part(number="squared", says="squared error at p = 0.01 is 0.98", measures="(1 - p)^2", above=0.975, below=0.985),
    Part(
        number="absolute",
        says="absolute error has the same slope at every p",
        measures="greatest less least slope against p, from 0.001 to 0.999",
        below=1e-9,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Read the losses and their slopes, which are autograd's."""
    at, names = losses_at([settings.p]), ("cross_entropy", "squared", "absolute")
    curves = losses_at()
    slopes = curves.shape("absolute").slopes
    numbers = {
        "cross-entropy": exact(at.shape("cross_entropy").values[0]),
        "squared": exact(at.shape("squared").values[0]),
        "absolute": exact(float(slopes.max() - slopes.min())),
    }
    also = {
        f"slope of {name.replace('_', '-')} against the logit at p = {settings.p:g}": exact(at.shape(name).logit_slopes[0])
        for name in names
    }
    called = {name: name.replace("_", "-") for name in names}
    panels = (
        Panel(
            title="the loss",
            across="probability of the true class",
            up="loss",
            curves=tuple(Curve(name=called[name], x=curves.p, y=curves.shape(name).values) for name in names),
            y_range=(0.0, 5.0),
        ),
        Panel(
            title="what reaches the network",
            across="probability of the true class",
            up="size of the slope against the logit",
            curves=tuple(Curve(name=called[name], x=curves.p, y=np.abs(curves.shape(name).logit_slopes)) for name in names),
        ),
    )
    caption = "Three losses of one example, and their slopes against the true class's logit."
    return Measured(numbers=numbers, also=also, picture=Picture(panels=panels, caption=caption))


LESSON = Lesson(
    name="loss-shapes",
    claim="At p = 0.01 cross-entropy is 4.6 and squared error 0.98; absolute error has a constant gradient.",
    question="Why are classifiers trained with cross-entropy?",
    source="textbook",
    setup="one example of two classes, p = {p} for the true one; torch's own losses, slopes by autograd in float64",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(p=0.01),
    full=Settings(p=0.01),
    full_s=2.0,
    explanation="Cross-entropy grows without bound as p falls to 0 and squared error ends at 1, but what moves the weights is the slope "
    "against the logit. For cross-entropy that is p - 1: a confident mistake is pushed with almost full force. For the other two the slope "
    "against p is multiplied by p (1 - p), the slope of the sigmoid, which vanishes at a confident mistake just as at a confident hit. "
    "The absolute error's slope is constant against p, not against what is trained (Goodfellow, Bengio and Courville 2016, section 6.2.2).",
)
