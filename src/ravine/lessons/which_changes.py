"""Two trainings of one network end differently: how much of that each source of chance accounts for."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import ravine
from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._stacked import Stacked, accuracy_S, batches, cross_entropy_S
from ravine.report.panels import Bar, Panel, Picture
from ravine.tasks import load

BATCH, RATE = 64, 0.01
SOURCES = ("start", "order", "dropout", "last bit", "threads")
WORDS = {
    "start": "other initial weights",
    "order": "another order of the rows",
    "dropout": "other dropped features",
    "last bit": "another last bit of a single weight",
    "threads": "another number of threads",
}
EVERYTHING, NOTHING = "everything", "nothing"
ALIKE = 1.0
"""log2 within which two amounts of change count as about the same: a factor of two."""
AT_ONCE = 1000
"""Rows that are evaluated at once, for memory."""
OTHER = 1000
"""Added to a seed for another one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        task: built-in.
        widths: of its network.
        steps: of every training.
        pairs: of trainings for each source.
    """

    task: str
    widths: tuple[int, ...]
    steps: int
    pairs: int


PARTS = tuple(
    Part(
        number=source,
        says=f"by {WORDS[source]} alone about as many predictions change as by everything at once",
        measures="log2 of the share of test rows predicted differently, over that where everything differs",
        above=-ALIKE,
        below=ALIKE,
    )
    for source in SOURCES
)


def experiment(settings: Settings) -> Measured:
    """Train pairs that differ in one thing only."""
    pairs, labels = _pairs(settings)
    changed = {source: churn(*pair) for source, pair in pairs.items()}
    least = 0.5 / len(labels)

    def against_everything(source: str) -> Sample:
        # Half a row stands for none, of which there is no logarithm.
        first, second = (np.maximum(changed[name], least) for name in (source, EVERYTHING))
        return over_seeds(np.log2(first / second))

    also = {f"% of test rows predicted differently, {name}": over_seeds(100 * values) for name, values in changed.items()}
    for source, pair in pairs.items():
        first, second = (100 * accuracy_S(output, labels).double().numpy() for output in pair)
        also[f"variance of the test accuracy in squared points, {source}"] = over_seeds((second - first) ** 2 / 2)
    for source in ("last bit", "threads"):
        also[f"share of outputs that differ at all, {source}"] = over_seeds(_unequal(*pairs[source]))
    numbers = {source: against_everything(source) for source in SOURCES}
    return Measured(numbers=numbers, also=also, picture=_picture(changed))


def churn(first: Tensor, second: Tensor) -> np.ndarray:
    """Share of rows that two networks put in different classes, one a pair, from outputs, (S, B, C)."""
    return np.asarray((first.argmax(-1) != second.argmax(-1)).double().mean(1).numpy())


def _unequal(first: Tensor, second: Tensor) -> np.ndarray:
    return np.asarray((first != second).double().mean((1, 2)).numpy())


def _pairs(settings: Settings) -> tuple[dict[str, tuple[Tensor, Tensor]], Tensor]:
    """Outputs on the test rows of both trainings of each pair, (pairs, B, C), by what differs; and the labels."""
    data = load(settings.task).data
    assert data.test is not None
    x, labels = data.test
    ways = ["base", "start", "order", "dropout", "last bit", EVERYTHING, NOTHING]
    with _threads(1):
        found = dict(zip(ways, torch.split(train(data.train, x, ways, settings), settings.pairs), strict=True))
        alone = train(data.train, x, ["base"], settings)
    with _threads(2):
        together = train(data.train, x, ["base"], settings)
    return {way: (found["base"], found[way]) for way in ways[1:]} | {"threads": (alone, together)}, labels


def train(split: tuple[Tensor, Tensor], x: Tensor, ways: Sequence[str], settings: Settings) -> Tensor:
    """Outputs on rows x of networks trained in these ways, (ways x pairs, B, C)."""
    starts, orders, draws = (_seeds(ways, (source, EVERYTHING), settings.pairs) for source in ("start", "order", "dropout"))
    model = Stacked(settings.widths, starts, dropout=0.2, draws=draws)
    if "last bit" in ways:
        # Of the last layer, for an input may be 0 in every row.
        first = model.weights[-1].detach()[ways.index("last bit") * settings.pairs :][: settings.pairs, 0, 0]
        first.copy_(torch.nextafter(first, torch.tensor(math.inf)))
    optimizer = ravine.optim.Adam(model.parameters(), lr=RATE)
    rows = batches(len(split[0]), BATCH, orders)
    for _ in range(settings.steps):
        chosen = next(rows)
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy_S(model(split[0][chosen]), split[1][chosen]).sum())
        optimizer.step()
    model.eval()
    with torch.no_grad():
        return torch.cat([model(part) for part in torch.split(x, AT_ONCE)], dim=1)


def _seeds(ways: Sequence[str], others: Sequence[str], pairs: int) -> list[int]:
    """Seeds of one source: another one in those ways that change it."""
    return [OTHER * (way in others) + pair for way in ways for pair in range(pairs)]


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _picture(changed: dict[str, np.ndarray]) -> Picture:
    bars = tuple(
        Bar(label=name, value=100 * float(np.mean(values)), low=100 * float(values.min()), high=100 * float(values.max()))
        for name, values in changed.items()
    )
    panel = Panel(title="two trainings that differ in one thing", across="% of test rows predicted differently", bars=bars)
    return Picture(
        panels=(panel,), caption="Share of test rows that two trainings predict differently, by what differs: mean and range of the pairs."
    )


LESSON = Lesson(
    name="which-changes",
    claim="Two trainings of one network end about equally different, whatever set them apart: the start, the order of the rows, "
    "the dropped features, the last bit of one weight or the number of threads.",
    question="Which of start, order, dropout and threads changes what comes out, and by how much?",
    source="Summers and Dinneen (2021)",
    setup="{task}, networks of {widths} with dropout 0.2, Adam at 0.01, batches of 64, {steps} steps, {pairs} pairs of trainings "
    "for each source; 1 and 2 threads",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(task="digits", widths=(64, 32, 10), steps=160, pairs=8),
    full=Settings(task="mnist", widths=(784, 128, 64, 10), steps=859, pairs=8),
    full_s=250.0,
    data="mnist",
    explanation="Training may be chaotic: where a step is large against the curvature, two trajectories that differ by one "
    "rounding move apart exponentially, until they are as far from each other as any two. Summers and Dinneen (2021) find on "
    "CIFAR-10 that changing one weight by its last bit is enough for the full variability. Where training is short or converges in "
    "a basin that pulls together what enters it, a rounding stays a rounding. Another number of threads changes sums only where a "
    "kernel divides one among them, and then by roundings. Half the mean squared difference of a pair estimates the variance that "
    "its source adds (a variance component); sources need not add up, for each is felt through the others.",
)
