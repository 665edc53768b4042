"""At a saddle: what gets an optimiser off the ridge."""

from dataclasses import dataclass

import numpy as np

from ravine import surfaces
from ravine.lessons._criterion import Part, Sample, exact, over_seeds, share_of_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._paths import path_panel
from ravine.records.surfaces import SurfaceRace
from ravine.report.panels import Panel, Picture

SIDE = 1.5
"""Distance of the start from the saddle, along the ridge."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        lr: rate that all share.
        steps: of every path.
        noise: standard deviation of what is added to gradients where there is noise.
        seeds: of the noise.
        starts: beside the ridge, without noise.
    """

    lr: float
    steps: int
    noise: float
    seeds: int
    starts: int


PARTS = (
    Part(
        number="vanishes",
        says="on its way past the saddle SGD sees less than a hundredth of the gradient that it began with",
        measures="log10 of its least gradient over its first",
        below=-2.0,
    ),
    Part(
        number="noise",
        says="from the ridge itself, noise takes SGD to a minimum in more than half of the seeds",
        measures="share of seeds that arrive",
        above=0.5,
    ),
    Part(
        number="momentum",
        says="beside the ridge momentum escapes in fewer steps than SGD",
        measures="log10 of SGD's steps to a minimum over momentum's",
        above=0.0,
    ),
    Part(
        number="ridge",
        says="momentum escapes from the ridge itself, without noise",
        measures="whether it arrives (1) or stays (0)",
        above=0.5,
        elsewhere=True,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Start beside the ridge, on it, and on it with noise."""
    offsets = 10 ** np.random.default_rng(0).uniform(-8.0, -4.0, settings.starts)
    beside = [_race(settings, float(offset)) for offset in offsets]
    ridge = _race(settings, 0.0)
    noisy = surfaces.race(
        "saddle", ["sgd"], lr=settings.lr, steps=settings.steps, start=(-SIDE, 0.0), noise=settings.noise, seeds=range(settings.seeds)
    )
    arrives = [path.steps_to_minimum is not None or (path.final_distance or np.inf) < 0.5 for path in noisy.paths]
    numbers: dict[str, Sample] = {
        "vanishes": over_seeds([np.log10(_least_gradient(race)) for race in beside]),
        "noise": share_of_seeds(arrives),
        "momentum": over_seeds([np.log10(_steps(race, "sgd", settings) / _steps(race, "momentum", settings)) for race in beside]),
        "ridge": exact(ridge.path("momentum").steps_to_minimum is not None),
    }
    also = {
        f"steps of {name} beside the ridge": over_seeds([_steps(race, name, settings) for race in beside])
        for name in ("sgd", "momentum", "adam")
    }
    also["whether SGD escapes from the ridge itself, without noise (1) or stays (0)"] = exact(
        ridge.path("sgd").steps_to_minimum is not None
    )
    panels: tuple[Panel, ...] = (
        path_panel(f"from {offsets[0]:.1g} beside the ridge", beside[0], ("sgd", "momentum", "adam")),
        path_panel(f"SGD from the ridge, with noise {settings.noise:g}", noisy, ("sgd",)),
    )
    return Measured(numbers=numbers, also=also, picture=Picture(panels=panels, caption="Past a saddle to one of two minima."))


def _race(settings: Settings, offset: float) -> SurfaceRace:
    return surfaces.race("saddle", ["sgd", "momentum", "adam"], lr=settings.lr, steps=settings.steps, start=(-SIDE, offset))


def _steps(race: SurfaceRace, name: str, settings: Settings) -> int:
    return race.path(name).steps_to_minimum or settings.steps + 1


def _least_gradient(race: SurfaceRace) -> float:
    """Of SGD before it reaches a minimum, as a share of its first; the gradient of the surface is (x, y^3 - y)."""
    path = race.path("sgd")
    before = path.positions[: int(np.argmax(np.abs(path.positions[:, 1]) > 0.5)) or None]
    sizes = np.hypot(before[:, 0], before[:, 1] ** 3 - before[:, 1])
    return float(sizes.min() / sizes[0])


LESSON = Lesson(
    name="saddle",
    claim="Near a saddle the gradient vanishes and plain SGD lingers; noise and momentum escape.",
    question="What gets an optimiser past a saddle?",
    source="Dauphin et al. (2014), Identifying and attacking the saddle point problem, arXiv:1406.2572",
    setup="0.5 x^2 - 0.5 y^2 + 0.25 y^4 from 1.5 up the ridge, rate {lr}, {steps} steps: {starts} places from 1e-8 to 1e-4 beside the "
    "ridge without noise; on the ridge with noise {noise} on gradients, {seeds} seeds; and on the ridge without",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(lr=0.05, steps=800, noise=0.01, seeds=20, starts=12),
    full=Settings(lr=0.05, steps=2000, noise=0.01, seeds=100, starts=40),
    full_s=60.0,
    explanation="Off the ridge the distance from it grows by a factor of 1 + lr times the negative curvature at every step, so the time "
    "to leave is the logarithm of the first distance: SGD lingers but does leave unless it stands on the ridge exactly, and momentum "
    "makes the factor larger. On the ridge the gradient across it is zero, and no multiple of zero, accumulated or divided, is anything "
    "else; only a push from outside, rounding or the noise of mini-batches, breaks the tie (Jin et al. 2017, arXiv:1703.00887; Lee et al. "
    "2016, arXiv:1602.04915, show that exact ridges are met with probability zero).",
)
