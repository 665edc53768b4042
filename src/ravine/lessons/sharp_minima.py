"""Whether adaptive methods end in sharper minima than tuned SGD, and whether that costs them on unseen data."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

import ravine
from ravine.lessons._criterion import Part, exact, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import race
from ravine.lessons._stacked import Stacked, accuracy_S, batches, cross_entropy_S
from ravine.report.panels import Bar, Panel, Picture
from ravine.tasks import load

OPTIMIZERS = ("sgd", "adam")
BATCH = 64
TURNS = 60
"""Products with the Hessian: the largest eigenvalue of such networks stands after some dozens."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        task: built-in, whose batches are of 64.
        widths: of its network.
        steps: of every training.
        seeds: of weights and order at the tuned rates.
        rows: of the training split that the Hessian is of.
    """

    task: str
    widths: tuple[int, ...]
    steps: int
    seeds: int
    rows: int


PARTS = (
    Part(
        number="sharper",
        says="tuned Adam ends in a sharper minimum than tuned SGD",
        measures="log10 of Adam's largest eigenvalue of the Hessian over SGD's",
        above=0.0,
    ),
    Part(
        number="generalises",
        says="tuned SGD is more accurate on unseen digits than tuned Adam",
        measures="SGD's test accuracy less Adam's, in points",
        above=0.0,
    ),
)


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the trainings of one optimiser ended, one value a seed."""

    sharpness: np.ndarray
    accuracy: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray


def experiment(settings: Settings) -> Measured:
    """Tune both by a race, train at the tuned rates, and look at the ends."""
    tuned = race(settings.task, optimizers=OPTIMIZERS, steps=settings.steps, seeds=2)
    rates = {name: tuned[name].lr for name in OPTIMIZERS}
    ends = {name: _ends(name, rate, settings) for name, rate in rates.items()}
    sgd, adam = ends["sgd"], ends["adam"]
    also = {f"{name}: its tuned rate": exact(rate) for name, rate in rates.items()}
    for name, found in ends.items():
        also[f"{name}: largest eigenvalue"] = over_seeds(found.sharpness)
        also[f"{name}: largest eigenvalue times its rate"] = over_seeds(found.sharpness * rates[name])
        also[f"{name}: test accuracy, %"] = over_seeds(100 * found.accuracy)
        also[f"{name}: test loss less training loss"] = over_seeds(found.test_loss - found.train_loss)
    return Measured(
        numbers={
            "sharper": over_seeds(np.log10(adam.sharpness / sgd.sharpness)),
            "generalises": over_seeds(100 * (sgd.accuracy - adam.accuracy)),
        },
        also=also,
        picture=_picture(ends),
    )


def _ends(name: str, rate: float, settings: Settings) -> Ends:
    data, seeds = load(settings.task).data, range(settings.seeds)
    assert data.test is not None
    (x, labels), test = data.train, data.test
    model = Stacked(settings.widths, seeds)
    optimizer = ravine.optim.create(name, model.parameters(), lr=rate)
    rows = batches(len(x), BATCH, seeds)
    for _ in range(settings.steps):
        chosen = next(rows)
        optimizer.zero_grad()
        torch.autograd.backward(cross_entropy_S(model(x[chosen]), labels[chosen]).sum())
        optimizer.step()
    with torch.no_grad():
        output = model(test[0])
        accuracy, test_loss = accuracy_S(output, test[1]), cross_entropy_S(output, test[1])
        few = (x[: settings.rows], labels[: settings.rows])
        train_loss = cross_entropy_S(model(few[0]), few[1])
    return Ends(sharpness(model, *few), *(part.double().numpy() for part in (accuracy, train_loss, test_loss)))


def sharpness(model: Stacked, x: Tensor, labels: Tensor, turns: int = TURNS) -> np.ndarray:
    """The largest eigenvalue of the loss's Hessian for each seed, (S,), by the power method.

    The sum of the seeds' losses has a Hessian of one block a seed, so one product with it serves all.
    """
    weights = list(model.parameters())
    slopes = torch.autograd.grad(cross_entropy_S(model(x), labels).sum(), weights, create_graph=True)
    stream = torch.Generator().manual_seed(0)
    vectors = [torch.randn(weight.shape, generator=stream) for weight in weights]
    values = torch.zeros(())
    for _ in range(turns):
        norms = _inner(vectors, vectors).sqrt()
        vectors = [vector / norms.view(-1, 1, 1) for vector in vectors]
        product = partial(torch.autograd.grad, slopes, weights, retain_graph=True)(vectors)
        values = _inner(vectors, product)
        vectors = [part.detach() for part in product]
    return np.asarray(values.double().numpy())


def _inner(first: list[Tensor], second: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    return torch.stack([(a * b).sum((1, 2)) for a, b in zip(first, second, strict=True)]).sum(0)


def _picture(ends: dict[str, Ends]) -> Picture:
    def bars(values: dict[str, np.ndarray]) -> tuple[Bar, ...]:
        return tuple(
            Bar(label=name, value=float(np.median(part)), low=float(part.min()), high=float(part.max())) for name, part in values.items()
        )

    panels = (
        Panel(
            title="sharpness of the minimum",
            across="largest eigenvalue of the Hessian",
            bars=bars({name: found.sharpness for name, found in ends.items()}),
            log_x=True,
        ),
        Panel(title="on unseen digits", across="% correct", bars=bars({name: 100 * found.accuracy for name, found in ends.items()})),
    )
    return Picture(
        panels=panels, caption="Largest eigenvalue and test accuracy at the end, each optimiser at its own rate: median and range."
    )


LESSON = Lesson(
    name="sharp-minima",
    claim="Adaptive methods find sharper minima than tuned SGD, and SGD generalises slightly better on vision tasks.",
    question="Is Adam's minimum sharper, and does it matter?",
    source="Wilson et al. (2017); Keskar et al. (2017)",
    setup="{task}, networks of {widths}, batches of 64, {steps} steps; rates tuned over twelve half-decades, then {seeds} seeds; "
    "Hessian of the loss on up to {rows} training rows",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(task="digits", widths=(64, 32, 10), steps=500, seeds=12, rows=1078),
    full=Settings(task="mnist", widths=(784, 128, 64, 10), steps=1718, seeds=12, rows=2000),
    full_s=300.0,
    data="mnist",
    explanation="Gradient descent cannot stay where the largest eigenvalue exceeds two over the rate, so a large rate alone keeps "
    "SGD in flat places; Adam's limit applies to the Hessian after its own rescaling and says little of the plain one (Cohen et "
    "al. 2022). Wilson et al. (2017) found adaptive methods behind SGD on unseen data, and Choi et al. (2019) found the gap closed "
    "once every hyper was tuned. Sharpness itself is no cause: Dinh et al. (2017) rescale the layers of a ReLU network so that the "
    "same function gets any eigenvalue one likes. And a cross-entropy that goes to zero flattens the Hessian with it, so whoever "
    "has trained further looks flatter.",
)
