"""The first loss as a check of the wiring: a network of K classes begins near ln K, and a loss that is wired wrongly should not."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ravine
from ravine.lessons._criterion import Part, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.report.panels import Bar, Panel, Picture
from ravine.tasks import load

NEAR = 0.1
"""Share of ln K by which a first loss may be off and still counts as near it: as in the doctor's rung."""
PIXEL = 255.0


def _softmax_twice(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.softmax(-1), target)


def _without_logarithm(output: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(output.softmax(-1), target)


def _summed(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, reduction="sum")


def _turned(output: Tensor, target: Tensor) -> Tensor:
    return -F.cross_entropy(output, target)


def _squared(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output, F.one_hot(target, output.shape[-1]).to(output))


WIRINGS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], float]] = {
    "softmax before the loss": (_softmax_twice, 1.0),
    "logarithm forgotten": (_without_logarithm, 1.0),
    "summed, not averaged": (_summed, 1.0),
    "sign turned": (_turned, 1.0),
    "squared error": (_squared, 1.0),
    "pixels from 0 to 255": (F.cross_entropy, PIXEL),
}
"""What is wired wrongly -> the loss, and by what the inputs are multiplied."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        classes: K of the sound networks.
        seeds: draws of the weights, and of the inputs and labels of the sound ones.
    """

    classes: tuple[int, ...]
    seeds: int


PARTS = (
    Part(
        number="sound",
        says="a sound network begins within a tenth of ln K, whatever K",
        measures="the first loss's distance from ln K as a share of it, largest over K",
        below=NEAR,
    ),
    *(
        Part(
            number=wiring,
            says=f"the first loss is off by more than a tenth ({wiring})",
            measures="the first loss's distance from ln 10, as a share of it",
            above=NEAR,
        )
        for wiring in WIRINGS
    ),
)


def experiment(settings: Settings) -> Measured:
    """Compute first losses of fresh networks."""
    sound = {classes: np.array([_sound(classes, seed) for seed in range(settings.seeds)]) for classes in settings.classes}
    x, labels = load("digits").data.train
    wrong = {
        wiring: np.array([_first_loss(loss, scale * x, labels, 10, seed) for seed in range(settings.seeds)])
        for wiring, (loss, scale) in WIRINGS.items()
    }
    far = {name: _distance(losses) for name, losses in wrong.items()}
    numbers = {"sound": over_seeds(np.max([_distance(losses) for losses in sound.values()], axis=0))}
    numbers |= {wiring: over_seeds(values) for wiring, values in far.items()}
    also = {f"first loss over ln K, K = {classes:,}": over_seeds(losses) for classes, losses in sound.items()}
    also |= {f"first loss over ln 10, {wiring}": over_seeds(losses) for wiring, losses in wrong.items()}
    return Measured(numbers=numbers, also=also, picture=_picture({f"sound, K = {k:,}": _distance(v) for k, v in sound.items()}, far))


def _sound(classes: int, seed: int) -> float:
    """The first loss of a sound network on inputs and labels that mean nothing, over ln K."""
    stream = torch.Generator().manual_seed(seed)
    x, labels = torch.randn(256, 64, generator=stream), torch.randint(classes, (256,), generator=stream)
    return _first_loss(F.cross_entropy, x, labels, classes, seed)


def _first_loss(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, labels: Tensor, classes: int, seed: int) -> float:
    task = ravine.Task("first loss", partial(_network, classes), (x, labels), (x, labels), loss)
    with torch.no_grad():
        return float(loss(task.build(seed)(x), labels)) / math.log(classes)


def _network(classes: int) -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, classes))


def _distance(relative: np.ndarray) -> np.ndarray:
    return np.abs(relative - 1.0)


def _picture(sound: dict[str, np.ndarray], wrong: dict[str, np.ndarray]) -> Picture:
    groups = {"sound": sound, "wired wrongly": wrong}
    bars = tuple(
        Bar(label=label, value=float(np.mean(values)), low=float(np.min(values)), high=float(np.max(values)), name=name)
        for name, rows in groups.items()
        for label, values in rows.items()
    )
    panel = Panel(title="distance of the first loss from ln K", across="share of ln K", bars=bars, log_x=True, levels={"near": NEAR})
    return Picture(panels=(panel,), caption="Distance of the first loss from ln K, sound and wired wrongly: mean and range of the seeds.")


LESSON = Lesson(
    name="ln-k",
    claim="A network of K classes starts with a loss near ln K; one whose loss is wired wrongly does not.",
    question="What does a look at the first loss find, and what does it miss?",
    source="Karpathy (2019), A recipe for training neural networks",
    setup="fresh 64-128-K networks, K = {classes}, on noise; six wrong wirings of 64-128-10 on digits; {seeds} seeds",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(classes=(2, 10, 100, 1000), seeds=12),
    full=Settings(classes=(2, 10, 100, 1000, 10_000), seeds=100),
    full_s=10.0,
    explanation="A fresh network's logits are small and about equal, so every class gets about 1/K and the cross-entropy is ln K; "
    "the spread of the logits adds half its variance. Whatever changes the size of the loss shows at once: a missing logarithm "
    "gives about -1/K, a sum is larger by the number of rows, and inputs of the wrong size make logits that are confidently wrong. "
    "A softmax in front of a loss that brings its own leaves the outputs even more equal, about 1/K each, and the loss at ln K: "
    "the check cannot see it by construction, although it is among the most common mistakes. Karpathy (2019) names the check as "
    "the first of several, which is how it is best used: the next, overfitting one batch, sees that one.",
)
