"""The second check of a new model: one batch, again and again; what is sound learns it by heart, and what is broken should not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import ravine
from ravine.lessons._criterion import Part, over_seeds, share_of_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._stacked import Stacked, cross_entropy_S
from ravine.report.panels import Curve, Panel, Picture
from ravine.tasks import load

LEARNT = -2.0
"""log10 of the last loss over the first at which a batch counts as learnt by heart: as in the doctor's rung."""
RATE = 0.01
BUGS = {
    "softmax twice": "a softmax in front of a loss that brings its own",
    "never cleared": "gradients that are never set to zero",
    "torn apart": "rows and labels shuffled apart",
    "reshaped": "a reshape where a transpose is meant, which mixes rows",
    "other weights": "an optimiser that was made for other weights",
}
"""Planted bug -> what it is."""
WRONG = "wrong labels"
"""A fault of the data instead of the code."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        rows: of the batch.
        steps: on it.
        seeds: of the weights.
    """

    rows: int
    steps: int
    seeds: int


PARTS = (
    Part(number="sound", says="a sound network learns the batch by heart", measures="share of seeds that learn it", above=0.5),
    *(
        Part(number=bug, says=f"the batch is not learnt with {what}", measures="share of seeds that learn it", below=0.5)
        for bug, what in BUGS.items()
    ),
    Part(
        number=WRONG,
        says="the batch is not learnt with labels that were permuted beforehand",
        measures="share of seeds that learn it",
        below=0.5,
        elsewhere=True,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Train on one batch, sound and with each fault."""
    x, labels = (part[: settings.rows] for part in load("digits").data.train)
    curves = {fault: learn(x, labels, fault, settings) for fault in ("sound", *BUGS, WRONG)}
    fallen = {fault: np.log10(losses[:, -1] / losses[:, 0]) for fault, losses in curves.items()}
    return Measured(
        numbers={fault: share_of_seeds(decades <= LEARNT) for fault, decades in fallen.items()},
        also={f"log10 of the last loss over the first, {fault}": over_seeds(decades) for fault, decades in fallen.items()},
        picture=_picture(curves),
    )


def learn(x: Tensor, labels: Tensor, fault: str, settings: Settings) -> np.ndarray:
    """Loss of every step for each seed, (S, steps)."""
    seeds = range(settings.seeds)
    model = Stacked((x.shape[-1], 32, 10), seeds)
    optimizer = ravine.optim.Adam(model.parameters(), lr=RATE)
    if fault == "other weights":
        model = Stacked((x.shape[-1], 32, 10), seeds)
    stream = torch.Generator().manual_seed(0)
    if fault == WRONG:
        labels = labels[torch.randperm(len(labels), generator=stream)]
    inputs = x.T.reshape(x.shape) if fault == "reshaped" else x
    losses = []
    for _ in range(settings.steps):
        target = labels[torch.randperm(len(labels), generator=stream)] if fault == "torn apart" else labels
        loss_S = cross_entropy_S(OUTPUTS.get(fault, _as_it_is)(model(inputs)), target)
        if fault != "never cleared":
            optimizer.zero_grad()
        torch.autograd.backward(loss_S.sum())
        optimizer.step()
        losses.append(loss_S.detach().numpy())
    return np.stack(losses, axis=1).astype(np.float64)


def _as_it_is(output: Tensor) -> Tensor:
    return output


OUTPUTS: Mapping[str, Callable[[Tensor], Tensor]] = {"softmax twice": lambda output: output.softmax(-1)}
"""What a fault does to the outputs."""


def _picture(curves: dict[str, np.ndarray]) -> Picture:
    drawn = tuple(
        Curve(
            name=fault,
            x=np.arange(1, losses.shape[1] + 1),
            y=np.median(losses, axis=0),
            low=losses.min(axis=0),
            high=losses.max(axis=0),
        )
        for fault, losses in curves.items()
    )
    first = float(np.median(curves["sound"][:, 0]))
    panel = Panel(
        title="one batch, again and again", across="step", up="loss", curves=drawn, log_y=True, levels={"learnt": first * 10**LEARNT}
    )
    return Picture(panels=(panel,), caption="Loss on one batch, sound and with each planted fault: median and range of the seeds.")


LESSON = Lesson(
    name="overfit-one-batch",
    claim="A sound model overfits one batch; a broken one does not.",
    question="What does training on a single batch find, and what does it miss?",
    source="Karpathy (2019), A recipe for training neural networks",
    setup="64-32-10 ReLU networks on the same {rows} digits, Adam at 0.01, {steps} steps, {seeds} seeds; five bugs of the code, "
    "and one fault of the data",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(rows=64, steps=200, seeds=12),
    full=Settings(rows=64, steps=1000, seeds=32),
    full_s=20.0,
    explanation="A network with more parameters than there are numbers to remember can fit one batch exactly, so whatever keeps it "
    "from that stands between the loss and the weights: outputs squeezed into [0, 1] by a softmax can never be far enough apart "
    "for the second one, old gradients push on after they were right, and an optimiser that holds other tensors moves nothing. By "
    "the same argument the check says nothing of the data: a network that is large enough learns permuted labels too (Zhang et al. "
    "2017), and a reshape that mixes rows may be learnt by heart where enough steps are given, for the mixture is the same every "
    "time. Karpathy (2019) asks for it before any longer run.",
)
