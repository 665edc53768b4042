"""Weight decay through Adam's gradient and beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ravine import optim
from ravine.lessons._criterion import Part, Sample, exact, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.report.panels import Curve, Panel, Picture

SCALES = (1.0, 100.0)
"""Standard deviations of the two coordinates' gradients."""
FORMS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "adam with L2": ("adam", {}),
    "adamw": ("adamw", {}),
    "adamw, decay without the rate": ("adamw", {"decoupled": "schedule"}),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        lr: rate.
        decay: weight decay, or L2 coefficient.
        steps: of each run.
        seeds: streams of gradients.
    """

    lr: float
    decay: float
    steps: int
    seeds: int


PARTS = (
    Part(
        number="l2",
        says="through Adam's denominator the coordinate with the large gradients is decayed less than half as much",
        measures="decay of the coordinate with gradients 100 times as large, over that of the other: Adam with L2",
        below=0.5,
    ),
    # The gradients' own steps move a weight, and a share of where they moved it is decayed as well: alike is within a tenth.
    Part(number="adamw", says="decoupled, both are decayed alike", measures="the same with AdamW", above=0.9, below=1.1),
    Part(
        number="lr times decay",
        says="torch's form decays ten times as much at ten times the rate",
        measures="logarithm of what is left of a weight, at ten times the rate over at the rate",
        above=9.0,
        below=11.0,
    ),
    Part(
        number="plain decay",
        says="the paper's form decays the same at any rate",
        measures="the same, decay times the schedule's factor alone",
        above=0.999,
        below=1.001,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Feed every form the same gradients with and without decay; what differs is the decay."""
    streams = np.random.default_rng(0).normal(size=(settings.steps, settings.seeds, len(SCALES)))
    gradients = torch.tensor(streams * np.array(SCALES))
    lost = {form: _decay(form, gradients, settings) for form in FORMS}
    ratios = {form: found[-1, :, 1] / found[-1, :, 0] for form, found in lost.items()}
    # Gradients of zero: all that moves the weight is the decay, of which a tenth leaves enough of it to take a logarithm.
    still = torch.zeros_like(gradients[:, :1])
    slow, fast = (
        {form: np.log(_run(form, still, settings.decay / 10, lr)[-1, 0, 0]) for form in FORMS} for lr in (settings.lr, 10 * settings.lr)
    )
    numbers: dict[str, Sample] = {
        "l2": over_seeds(ratios["adam with L2"]),
        "adamw": over_seeds(ratios["adamw"]),
        "lr times decay": exact(fast["adamw"] / slow["adamw"]),
        "plain decay": exact(fast["adamw, decay without the rate"] / slow["adamw, decay without the rate"]),
    }
    also = {
        f"{form}: decay of the coordinate with gradients of {scale:g}": over_seeds(found[-1, :, place])
        for form, found in lost.items()
        for place, scale in enumerate(SCALES)
    }
    return Measured(numbers=numbers, also=also, picture=_picture(lost, settings))


def _decay(form: str, gradients: torch.Tensor, settings: Settings) -> np.ndarray:
    """How much of each weight, 1 at the start, the decay took by each step, (steps, seeds, coordinates): a run with it less one without."""
    runs = [_run(form, gradients, decay, settings.lr) for decay in (settings.decay, 0.0)]
    return np.asarray(runs[1] - runs[0])


def _run(form: str, gradients: torch.Tensor, decay: float, lr: float) -> np.ndarray:
    name, flags = FORMS[form]
    weights = torch.ones_like(gradients[0], requires_grad=True)
    optimizer = optim.create(name, [weights], lr=lr, weight_decay=decay, **flags)
    found = []
    for gradient in gradients:
        weights.grad = gradient.clone()
        optimizer.step()
        found.append(weights.detach().clone().numpy())
    return np.array(found)


def _picture(lost: Mapping[str, np.ndarray], settings: Settings) -> Picture:
    steps = np.arange(1, settings.steps + 1)
    panels = [
        Panel(
            title=f"gradients of size {scale:g}",
            across="step",
            up="share of the weight that the decay took",
            curves=tuple(Curve(name=form, x=steps, y=np.median(found[:, :, place], axis=1)) for form, found in lost.items()),
            log_y=True,
            y_range=(1e-5, 2.0),
        )
        for place, scale in enumerate(SCALES)
    ]
    return Picture(panels=tuple(panels), caption="What decay alone takes from a weight of 1, by the size of its gradients.")


LESSON = Lesson(
    name="adam-l2-is-not-adamw",
    claim="L2 through Adam's denominator is rescaled per coordinate and decoupled decay is not; decay multiplied by the rate and plain "
    "decay differ as well.",
    question="Is weight decay in Adam the same as L2?",
    source="Loshchilov and Hutter (2019), Decoupled weight decay regularization, arXiv:1711.05101",
    setup="two weights of 1 with gradients of mean 0 and standard deviation 1 and 100, decay {decay}, rate {lr}, {steps} steps, {seeds} "
    "streams, float64; the same gradients with decay and without; then gradients of zero and a tenth of the decay, at the rate and at ten "
    "times the rate",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(lr=1e-3, decay=0.1, steps=500, seeds=20),
    full=Settings(lr=1e-3, decay=0.1, steps=5000, seeds=100),
    full_s=30.0,
    explanation="L2 adds decay times the weight to the gradient, and Adam divides the sum by the root of its mean square: where gradients "
    "are a hundred times as large, the decay is a hundred times as small. Decoupled decay subtracts from the weight itself, the same "
    "share for all. In torch that share is the rate times the decay, so a sweep of the rate sweeps the decay with it; in the paper's "
    "Algorithm 2 it is the decay times the schedule's factor alone, and the two can be tuned apart (Loshchilov and Hutter 2019, sections "
    "2 and 4.1).",
)
