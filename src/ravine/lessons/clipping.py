"""Clipping by the global norm in a recurrent network over long sequences."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

import ravine
from ravine.lessons._criterion import Part, Sample, over_seeds, share_of_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import decades, divergences, loss_panel, raced, read
from ravine.report.panels import Picture

PLAIN, CLIPPED = "sgd", "sgd+clip"
FACTOR = 2.0
"""Times its start that a loss has to rise to count as an exploded step."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        length: of the sequences.
        width: of the network.
        rows: sequences to train on.
        lr: rate that both share.
        steps: of every lane.
        seeds: starts.
    """

    length: int
    width: int
    rows: int
    lr: float
    steps: int
    seeds: int


PARTS = (
    Part(
        number="plain",
        says="without clipping most seeds have a step that explodes",
        measures="share of seeds whose training loss rises to twice its start, or diverges",
        above=0.5,
    ),
    Part(number="clipped", says="with a global norm of 1.0 few have", measures="the same with clipping", below=0.5),
    Part(
        number="lower",
        says="with clipping the loss ends lower",
        measures="log10 of the final loss without clipping over that with it",
        above=0.0,
    ),
)


class Identity(nn.Module):
    """A ReLU network that begins as an identity over time, which remembers and, once it grows, explodes (Le et al. 2015).

    Args:
        width: of the hidden state.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.RNN(2, width, nonlinearity="relu", batch_first=True)
        self.readout = nn.Linear(width, 1)
        with torch.no_grad():
            for name, parameter in self.cell.named_parameters():
                if name.startswith("bias"):
                    parameter.zero_()
                elif name == "weight_hh_l0":
                    parameter.copy_(torch.eye(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum that is asked for, (B, 1), from x, (B, T, 2)."""
        states: torch.Tensor = self.cell(x)[0]
        answer: torch.Tensor = self.readout(states[:, -1])
        return answer


def adding(length: int, rows: int) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Sequences of numbers, two of them marked, whose sum is asked for at the end (Hochreiter and Schmidhuber 1997, task 4)."""
    stream = np.random.default_rng(0)
    splits = []
    for number in (rows, rows // 4, rows // 4):
        values, marks = stream.uniform(size=(number, length)), np.zeros((number, length))
        places = np.argsort(stream.uniform(size=(number, length)), axis=1)[:, :2]
        np.put_along_axis(marks, places, 1.0, axis=1)
        x = torch.tensor(np.stack([values, marks], axis=-1), dtype=torch.float32)
        splits.append((x, torch.tensor((values * marks).sum(axis=1), dtype=torch.float32)[:, None]))
    return tuple(splits)


def experiment(settings: Settings) -> Measured:
    """Race the same steps with and without clipping."""
    data = partial(adding, settings.length, settings.rows)
    task = ravine.Task("adding", partial(Identity, settings.width), load=data, loss=nn.functional.mse_loss, batch_size=64)
    options = {"shared_lr": settings.lr, "steps": settings.steps, "seeds": settings.seeds}
    with raced(task, optimizers=[PLAIN, CLIPPED], **options) as result:
        readings, exploded = read(result), _exploded(result)
    numbers: dict[str, Sample] = {
        "plain": share_of_seeds(exploded[PLAIN]),
        "clipped": share_of_seeds(exploded[CLIPPED]),
        "lower": over_seeds(decades(readings[CLIPPED], readings[PLAIN])),
    }
    also = {f"final loss of {name}": over_seeds(reading.finals) for name, reading in readings.items()}
    panel = loss_panel(f"sum of two among {settings.length} numbers, rate {settings.lr:g}", readings)
    picture = Picture(panels=(panel,), caption="Test loss with and without clipping: median and range of the seeds.")
    return Measured(numbers=numbers, also=also, picture=picture, notes=tuple(divergences(readings)))


def _exploded(result: "ravine.Result") -> dict[str, list[bool]]:
    """By entrant: whether a seed's training loss rose to twice its start, or was lost."""
    found: dict[str, list[bool]] = {PLAIN: [], CLIPPED: []}
    with result.record() as record:
        for lane in record.lanes(stage="final"):
            losses = record.losses(lane.lane)
            found[lane.optimizer].append(lane.status == "diverged" or bool(np.max(losses) > FACTOR * losses[0]))
    return found


LESSON = Lesson(
    name="clipping",
    claim="Clipping at a global norm of 1.0 saves recurrent networks from exploding steps.",
    question="What does clipping do for a recurrent network?",
    source="Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, arXiv:1211.5063",
    setup="the sum of two marked numbers among {length}, a ReLU network of width {width} that begins as an identity, SGD at {lr}, batches "
    "of 64, {steps} steps, {seeds} seeds, with and without clipping",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(length=30, width=16, rows=512, lr=0.01, steps=50, seeds=12),
    full=Settings(length=60, width=16, rows=2048, lr=0.01, steps=500, seeds=16),
    full_s=90.0,
    explanation="Back through T steps the gradient is multiplied by T Jacobians: where their norm is above 1 it grows like a power of T, "
    "and the loss has walls from which a single step is thrown far away. Clipping keeps the direction and bounds the length of that one "
    "step (Pascanu et al. 2013, section 3.2). It does nothing for gradients that vanish, and where no step explodes a bound that is met "
    "all the time only makes the rate smaller.",
)
