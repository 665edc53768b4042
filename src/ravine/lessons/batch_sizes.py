"""Batch sizes: noise against cost, and what a larger batch does to the rate."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.func import grad, vmap

from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import Reading, decades, loss_panel, race
from ravine.report.panels import Curve, Panel, Picture
from ravine.tasks import Task, load
from ravine.tasks.functional import functional_call

BATCHES = (1, 4, 16, 64, 256)
"""Whose noise is measured."""
TIE = 0.1
"""Decades of loss within which two count as equal: a quarter."""
RATES = {"sgd": 0.1, "adam": 0.003}
"""At the small batch: usual ones for this model."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        epochs: of every training, so that all see equally many examples.
        seeds: of the trainings.
        small: rows of the small batch.
        large: rows of the large one.
        starts: new networks whose gradient noise is measured.
        draws: batches of each size.
    """

    epochs: int
    seeds: int
    small: int
    large: int
    starts: int
    draws: int


PARTS = (
    # One over the root of the batch, squared: exact for draws with replacement, so what is left is the error of the estimate.
    Part(
        number="noise",
        says="the gradient's variance falls like one over the batch",
        measures="slope of log variance against log batch",
        above=-1.1,
        below=-0.9,
    ),
    Part(
        number="lags",
        says="at the small batch's rate SGD with the large batch lags after as many examples",
        measures="log10 of its loss over the small batch's",
        above=TIE,
    ),
    Part(
        number="linear",
        says="with SGD a rate scaled like the batch makes up for it",
        measures="log10 of its loss over the small batch's",
        below=TIE,
    ),
    Part(
        number="root",
        says="with Adam a rate scaled like the root of the batch makes up for it",
        measures="log10 of its loss over the small batch's",
        below=TIE,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Measure the noise of gradients at new networks, and train with small and large batches at scaled rates."""
    task = load("digits")
    variances = np.array([_variances(task, seed, settings.draws) for seed in range(settings.starts)])
    slopes = [np.polyfit(np.log(BATCHES), np.log(row), 1)[0] for row in variances]
    ratio = settings.large / settings.small
    scales = {"the same": 1.0, "by the root": ratio**0.5, "linearly": ratio}
    found = {name: _trainings(task, name, scales, settings) for name in RATES}
    gaps = {
        (name, scale): decades(readings["small"], reading)
        for name, readings in found.items()
        for scale, reading in readings.items()
        if scale != "small"
    }
    numbers: dict[str, Sample] = {
        "noise": over_seeds(slopes),
        "lags": over_seeds(gaps["sgd", "the same"]),
        "linear": over_seeds(gaps["sgd", "linearly"]),
        "root": over_seeds(gaps["adam", "by the root"]),
    }
    also = {
        f"log10 of {name}'s loss with the large batch over the small one's, rate scaled {scale}": over_seeds(gap)
        for (name, scale), gap in gaps.items()
    }
    panels = (_noise_panel(variances), *(_loss_panel(name, readings, settings) for name, readings in found.items()))
    caption = "Gradient noise by batch, and the test loss of small and large batches by epoch."
    return Measured(numbers=numbers, also=also, picture=Picture(panels=panels, caption=caption, across=3))


def _trainings(task: Task, name: str, scales: Mapping[str, float], settings: Settings) -> dict[str, Reading]:
    """Final losses of the small batch and of the large one at its scaled rates, on the same seeds."""

    def trained(batch: int, rate: float) -> Reading:
        sized = replace(task, batch_size=batch)
        found = race(sized, optimizers=[name], shared_lr=rate, epochs=settings.epochs, seeds=settings.seeds)[name]
        return replace(found, steps=found.steps / sized.steps_per_epoch)

    found = {"small": trained(settings.small, RATES[name])}
    return found | {scale: trained(settings.large, factor * RATES[name]) for scale, factor in scales.items()}


def _variances(task: Task, seed: int, draws: int) -> list[float]:
    """Variance of the mini-batch gradient, summed over all parameters, for every batch size."""
    model, (inputs, targets) = task.build(seed), task.data.train
    weights = {key: value.detach() for key, value in model.named_parameters()}

    def loss(weights: dict[str, torch.Tensor], row: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        assert task.loss is not None
        return task.loss(functional_call(model, weights, (row[None],)), target[None])

    rows = vmap(grad(loss), in_dims=(None, 0, 0))(weights, inputs, targets)
    gradients = torch.cat([one.flatten(1) for one in rows.values()], dim=1)
    stream = torch.Generator().manual_seed(seed)
    found = []
    for batch in BATCHES:
        means = torch.stack([gradients[torch.randint(len(gradients), (batch,), generator=stream)].mean(dim=0) for _ in range(draws)])
        found.append(float(means.var(dim=0).sum()))
    return found


def _loss_panel(name: str, readings: Mapping[str, Reading], settings: Settings) -> Panel:
    labels = {"small": f"batch {settings.small}", "the same": f"batch {settings.large}, same rate"}
    called = {labels.get(scale, f"batch {settings.large}, rate {scale}"): reading for scale, reading in readings.items()}
    return replace(loss_panel(f"digits, {name}", called), across="epoch")


def _noise_panel(variances: np.ndarray) -> Panel:
    middle = np.median(variances, axis=0)
    curves = (
        Curve(name="measured", x=BATCHES, y=middle, low=variances.min(axis=0), high=variances.max(axis=0)),
        Curve(name="one over the batch", x=BATCHES, y=middle[0] / np.array(BATCHES)),
    )
    return Panel(title="variance of the gradient, new networks", across="batch", up="variance", curves=curves, log_x=True, log_y=True)


LESSON = Lesson(
    name="batch-sizes",
    claim="Larger batches have less noise but cost more; after as many examples they lag unless the rate grows with them: linearly for "
    "SGD, with the root for Adam.",
    question="What happens to the rate when the batch grows?",
    source="Goyal et al. (2017), arXiv:1706.02677 (linear); Malladi et al. (2022), arXiv:2205.10287 (root)",
    setup="digits; the variance of gradients of 1 to 256 rows drawn with replacement at {starts} new networks, {draws} draws; then "
    "{epochs} epochs with batches of {small} and of {large}, SGD from 0.1 and Adam from 0.003, {seeds} seeds",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(epochs=10, seeds=8, small=16, large=128, starts=6, draws=200),
    full=Settings(epochs=30, seeds=20, small=16, large=128, starts=12, draws=1000),
    full_s=45.0,
    explanation="A mean over B rows has 1/B of the variance, so the noise falls with the root of the cost. As many examples are fewer "
    "steps when batches are larger. Where steps are small beside the curvature, B times fewer steps of B times the length go the same "
    "way: the linear rule, which ends where the length meets the stability limit (Goyal et al. 2017; McCandlish et al. 2018, "
    "arXiv:1812.06162). Adam divides by a root that is itself mostly noise and falls with the root of B, so part of the lengthening comes "
    "by itself and the rule is the root (Malladi et al. 2022).",
)
