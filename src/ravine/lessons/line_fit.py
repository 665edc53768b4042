"""A straight line under noise: who learns it, and who is most robust to rate and noise."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from ravine import optim
from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.report.panels import Curve, Panel, Picture

OPTIMIZERS: Mapping[str, Mapping[str, float]] = {"sgd": {}, "momentum": {}, "rmsprop": {"alpha": 0.9}, "adam": {}}
STATED = ("sgd", "rmsprop", "adam")
RATES = (0.01, 0.05, 0.1, 0.2)
RATE, NOISE, MORE_NOISE = 0.1, 0.2, 0.5
SLOPE, INTERCEPT = 2.0, 3.0
NEAR = 0.2
"""Near is within the noise of a single point."""
POINTS, BATCH = 100, 20


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        epochs: passes over the 100 points.
        seeds: draws of points, noise and order.
    """

    epochs: int
    seeds: int


def _learns(name: str) -> Part:
    return Part(
        number=f"{name} learns",
        says=f"{name} at 0.1 learns both to within {NEAR:g}",
        measures="the larger of |w - 2| and |b - 3|",
        below=NEAR,
    )


def _robust(name: str) -> Part:
    return Part(
        number=f"more robust than {name}",
        says=f"Adam is more robust than {name}: over four rates and two noises its worst error is smaller",
        measures=f"log10 of {name}'s worst error over Adam's",
        above=0.0,
    )


PARTS = (*map(_learns, STATED), *map(_robust, ("sgd", "rmsprop")))


def experiment(settings: Settings) -> Measured:
    """Fit with every optimiser at every rate and noise; seeds and noises are entries of tensors, which the rules treat one by one."""
    errors = {key: error for name in OPTIMIZERS for key, error in _fit(name, settings).items()}
    worst = {name: np.max([error for (one, _, _), error in errors.items() if one == name], axis=0) for name in OPTIMIZERS}
    numbers: dict[str, Sample] = {f"{name} learns": over_seeds(errors[name, RATE, NOISE]) for name in STATED}
    numbers |= {f"more robust than {name}": over_seeds(np.log10(worst[name] / worst["adam"])) for name in ("sgd", "rmsprop")}
    also = {f"worst error of {name} over rates and noises": over_seeds(found) for name, found in worst.items()}
    panels = [
        Panel(
            title=f"noise {noise:g}",
            across="learning rate",
            up="larger of |w - 2| and |b - 3|",
            curves=tuple(_curve(name, [errors[name, rate, noise] for rate in RATES]) for name in OPTIMIZERS),
            log_x=True,
            log_y=True,
            levels={"near": NEAR},
            ticks={rate: f"{rate:g}" for rate in RATES},
        )
        for noise in (NOISE, MORE_NOISE)
    ]
    picture = Picture(panels=tuple(panels), caption="Error of the fit at four rates: median and middle half of the seeds.")
    return Measured(numbers=numbers, also=also, picture=picture)


def _curve(name: str, errors: list[np.ndarray]) -> Curve:
    low, middle, high = np.quantile(errors, [0.25, 0.5, 0.75], axis=1)
    return Curve(name=name, x=RATES, y=middle, low=low, high=high)


def _fit(name: str, settings: Settings) -> dict[tuple[str, float, float], np.ndarray]:
    """The larger error of slope and intercept at every rate and noise, one a seed."""
    stream = np.random.default_rng(0)
    x = stream.uniform(-1, 1, (1, settings.seeds, POINTS))
    noises = np.array([NOISE, MORE_NOISE])[:, None, None]
    y = torch.tensor(SLOPE * x + INTERCEPT + noises * stream.normal(size=x.shape))
    start = stream.uniform(-1, 1, (2, 1, settings.seeds)).repeat(len(noises), axis=1)
    fits = {rate: [torch.tensor(one, requires_grad=True) for one in start] for rate in RATES}
    optimizer = optim.create(name, [{"params": pair, "lr": rate} for rate, pair in fits.items()], **OPTIMIZERS[name])
    for _ in range(settings.epochs):
        order = torch.tensor(stream.permuted(np.tile(np.arange(POINTS), (1, settings.seeds, 1)), axis=2))
        for batch in order.chunk(POINTS // BATCH, dim=2):
            inputs, targets = torch.tensor(x).gather(2, batch), y.gather(2, batch.expand(len(noises), -1, -1))
            for w, b in fits.values():
                rest = w.detach()[..., None] * inputs + b.detach()[..., None] - targets
                w.grad, b.grad = 2 * (rest * inputs).mean(dim=2), 2 * rest.mean(dim=2)
            optimizer.step()
    errors = {
        rate: np.maximum(*(abs(one.detach().numpy() - true) for one, true in zip(pair, (SLOPE, INTERCEPT), strict=True)))
        for rate, pair in fits.items()
    }
    return {(name, rate, noise): errors[rate][place] for rate in RATES for place, noise in enumerate((NOISE, MORE_NOISE))}


LESSON = Lesson(
    name="line-fit",
    claim="On y = 2x + 3 with noise 0.2, 100 epochs at rate 0.1, SGD, RMSprop and Adam all learn w near 2 and b near 3; over rates and "
    "noise Adam is the most robust.",
    question="Which optimiser is most robust to rate and noise on the smallest problem there is?",
    source="textbook",
    setup="100 points, x even in [-1, 1), batches of 20, {epochs} epochs, {seeds} draws; RMSprop with 0.9, momentum beside them with 0.9; "
    "rates 0.01, 0.05, 0.1, 0.2; noise 0.2 and 0.5",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(epochs=100, seeds=40),
    full=Settings(epochs=100, seeds=400),
    full_s=10.0,
    explanation="No fit comes nearer than the least-squares line, which misses the truth by about the noise over the root of 100. SGD's "
    "steps shrink with the slope, so at the end it stays within a small cloud around that line, and the smaller the rate the smaller the "
    "cloud. Steps that are divided by the root of recent squared gradients do not shrink: where only noise is left they are about as long "
    "as the rate (RMSprop: Tieleman and Hinton 2012; Adam: Kingma and Ba 2015), unless the memory of the moments averages it away. A rate "
    "that is too small leaves SGD unfinished instead.",
)
