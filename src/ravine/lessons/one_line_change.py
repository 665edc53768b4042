"""MNIST in four one-line changes: from SGD to Adam to AdamW to a cosine."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import Reading, race
from ravine.report.panels import Bar, Panel, Picture

CHAIN = ("sgd", "adam", "adamw", "adamw+cosine")
STATED = {"sgd": (0.01, 93.6), "adam": (0.001, 97.4), "adamw": (0.001, 97.6), "adamw+cosine": (0.001, 97.8)}
"""Rate, and the accuracy that is claimed for MNIST."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        task: the classifier.
        epochs: of every lane.
        seeds: starts and orders.
    """

    task: str
    epochs: int
    seeds: int


def _change(before: str, after: str, *, tuned: bool = False) -> Part:
    return Part(
        number=f"{after} over {before}{', tuned' if tuned else ''}",
        says=f"{after} is more accurate than {before}{', each at its best rate' if tuned else ''}",
        measures=f"test accuracy of {after} less that of {before}, in points",
        above=0.0,
        elsewhere=tuned,
    )


PARTS = (
    *(_change(before, after) for before, after in itertools.pairwise(CHAIN)),
    *(_change(before, after, tuned=True) for before, after in itertools.pairwise(CHAIN)),
)


def experiment(settings: Settings) -> Measured:
    """Race the four at the stated rates, and each at its own."""
    stated = {name: reading for rate in (0.01, 0.001) for name, reading in _at(settings, rate).items()}
    tuned = _race(settings, CHAIN)
    numbers: dict[str, Sample] = {}
    for before, after in itertools.pairwise(CHAIN):
        numbers[f"{after} over {before}"] = over_seeds(_points(stated[after]) - _points(stated[before]))
        numbers[f"{after} over {before}, tuned"] = over_seeds(_points(tuned[after]) - _points(tuned[before]))
    also: dict[str, Sample] = {}
    for name in CHAIN:
        rate, claimed = STATED[name]
        also[f"accuracy of {name} at {rate:g}, in percent (claimed for MNIST: {claimed})"] = over_seeds(_points(stated[name]))
    also |= {f"accuracy of {name} at its best rate {tuned[name].lr:.3g}, in percent": over_seeds(_points(tuned[name])) for name in CHAIN}
    panels = (_panel("stated rates", stated), _panel("best rates", tuned))
    notes = (
        ()
        if settings.task == "mnist"
        else (f"This is the quick form, on {settings.task}: the claimed accuracies are those of MNIST after 5 epochs.",)
    )
    picture = Picture(panels=panels, caption="Test accuracy after the last epoch: mean and 95 % interval of the seeds.")
    return Measured(numbers=numbers, also=also, picture=picture, notes=notes)


def _at(settings: Settings, rate: float) -> Mapping[str, Reading]:
    """The entrants whose stated rate it is, from the same weights on the same batches."""
    names = [name for name in CHAIN if STATED[name][0] == rate]
    return _race(settings, names, shared_lr=rate)


def _race(settings: Settings, names: Sequence[str], **options: float) -> Mapping[str, Reading]:
    # On MNIST it takes minutes, so that every core is welcome.
    sizes = {"epochs": settings.epochs, "seeds": settings.seeds}
    return race(settings.task, "accuracy", optimizers=names, workers="auto", **sizes, **options)


def _points(reading: Reading) -> np.ndarray:
    return 100 * reading.finals


def _panel(title: str, readings: Mapping[str, Reading]) -> Panel:
    bars = []
    for name in CHAIN:
        interval = over_seeds(_points(readings[name])).interval()
        bars.append(Bar(label=f"{name} {readings[name].lr:.2g}", value=interval.estimate, low=interval.low, high=interval.high, name=name))
    return Panel(title=title, across="test accuracy in percent", bars=tuple(bars))


LESSON = Lesson(
    name="one-line-change",
    claim="On an MNIST classifier after 5 epochs each one-line change helps: SGD at 0.01 gives 93.6 %, Adam at 0.001 97.4 %, AdamW with "
    "decay 0.01 97.6 %, AdamW with a cosine 97.8 %.",
    question="Which of four lines is worth changing?",
    source="textbook",
    setup="{task}, batches of 64, {epochs} epochs, {seeds} seeds with the same weights and batches for all: the stated rates, then each "
    "at the best of its twelve rates, tuned on validation",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(task="digits", epochs=50, seeds=8),
    full=Settings(task="mnist", epochs=5, seeds=6),
    full_s=300.0,
    data="mnist",
    explanation="Plain SGD at 0.01 has taken too few, too short steps after five epochs; ten times the rate would be another one-line "
    "change. Adam's usual 0.001 happens to suit such a network (Kingma and Ba 2015). Decay of 0.01 times a rate of 0.001 takes a "
    "hundred-thousandth of a weight a step, a few percent in five epochs: too little to matter much (Loshchilov and Hutter 2019). A "
    "cosine ends at small steps and averages the last noise away (Loshchilov and Hutter 2017). Differences of a tenth of a point are ten "
    "images of the 10,000 tested, about what one seed differs from the next.",
)
