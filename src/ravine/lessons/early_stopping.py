"""Validation bottoms out and rises while training still falls; which of the usual remedies put that off."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import ravine
from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._stacked import Stacked, batches, cross_entropy_S
from ravine.report.panels import Curve, Panel, Picture
from ravine.tasks import load

RISEN = 0.021
"""log10 of 1.05: a rise by less than 5 % may be the noise of one evaluation, of which the bottom is the smallest."""
RATE, BATCH = 0.01, 32
SIDE = 8
REMEDIES = ("dropout", "label smoothing", "shifts", "weight decay")


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        rows: to train on.
        width: hidden features.
        steps: of each training.
        every: steps between two evaluations.
        seeds: of weights and order.
    """

    rows: int
    width: int
    steps: int
    every: int
    seeds: int


PARTS = (
    Part(
        number="rises",
        says="the validation loss ends more than 5 % above its bottom",
        measures="log10 of the last validation loss over the lowest",
        above=RISEN,
    ),
    Part(
        number="falls",
        says="meanwhile the training loss goes on falling",
        measures="log10 of the last training loss over that at the validation's bottom",
        below=0.0,
    ),
    *(
        Part(
            number=remedy,
            says=f"the bottom comes later with {remedy}",
            measures="log2 of the step of the bottom over that without a remedy",
            above=0.0,
        )
        for remedy in REMEDIES
    ),
)


@dataclass(frozen=True, slots=True)
class Run:
    """Trainings of all seeds; losses are without any remedy's share, (seeds, evaluations)."""

    steps: np.ndarray
    train: np.ndarray
    validation: np.ndarray

    @property
    def bottom(self) -> np.ndarray:
        """Place of the lowest validation loss, (seeds,)."""
        return np.asarray(self.validation.argmin(axis=1))

    def at(self, losses: np.ndarray) -> np.ndarray:
        """Losses at the bottom, (seeds,)."""
        return np.asarray(np.take_along_axis(losses, self.bottom[:, None], axis=1)[:, 0])


def experiment(settings: Settings) -> Measured:
    """Train without a remedy and with each."""
    runs = {remedy: train(remedy, settings) for remedy in ("none", *REMEDIES)}
    plain = runs["none"]
    numbers: dict[str, Sample] = {
        "rises": over_seeds(np.log10(plain.validation[:, -1] / plain.at(plain.validation))),
        "falls": over_seeds(np.log10(plain.train[:, -1] / plain.at(plain.train))),
    }
    for remedy in REMEDIES:
        numbers[remedy] = over_seeds(np.log2(runs[remedy].steps[runs[remedy].bottom] / plain.steps[plain.bottom]))
    also = {f"step of the bottom, {remedy}": over_seeds(run.steps[run.bottom]) for remedy, run in runs.items()}
    also |= {f"lowest validation loss, {remedy}": over_seeds(run.at(run.validation)) for remedy, run in runs.items()}
    late = [remedy for remedy in REMEDIES if (runs[remedy].bottom == len(plain.steps) - 1).any()]
    note = f"With {', '.join(late)} the lowest value of some seeds is the last one, so that their bottom may lie later still."
    return Measured(numbers=numbers, also=also, picture=_picture(runs), notes=(note,) if late else ())


def train(remedy: str, settings: Settings) -> Run:
    """Losses on training and validation rows while all seeds train on a few digits."""
    data, seeds = load("digits").data, range(settings.seeds)
    (x, labels), held_out = (part[: settings.rows] for part in data.train), data.validation
    model = Stacked((SIDE**2, settings.width, 10), seeds, dropout=0.5 if remedy == "dropout" else 0.0)
    optimizer = ravine.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1.0 if remedy == "weight decay" else 0.0)
    rows, moves = batches(len(x), BATCH, seeds), _shifts(settings.seeds)
    seen = []
    for step in range(settings.steps + 1):
        if step % settings.every == 0 and step:
            seen.append((step, _losses(model, x, labels), _losses(model, *held_out)))
        chosen = next(rows)
        inputs = x[chosen] if remedy != "shifts" else shifted(x[chosen], next(moves))
        loss_S = cross_entropy_S(model(inputs), labels[chosen], smoothing=0.1 if remedy == "label smoothing" else 0.0)
        optimizer.zero_grad()
        torch.autograd.backward(loss_S.sum())
        optimizer.step()
    steps, at_train, at_validation = zip(*seen, strict=True)
    return Run(np.array(steps), np.stack(at_train, axis=1), np.stack(at_validation, axis=1))


def _losses(model: Stacked, x: Tensor, labels: Tensor) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        losses = cross_entropy_S(model(x), labels).numpy().astype(np.float64)
    model.train()
    return np.asarray(losses)


def _shifts(seeds: int) -> Iterator[Tensor]:
    """How far every row of each batch is shifted down and right, (2, S, B), without end."""
    stream = torch.Generator().manual_seed(0)
    while True:
        yield torch.randint(3, (2, seeds, BATCH), generator=stream)


def shifted(x: Tensor, by: Tensor) -> Tensor:
    """Images, (S, B, D), with zeros where nothing comes from: cut from a frame one pixel larger on every side, at 0, 1 or 2."""
    framed = torch.nn.functional.pad(x.view(*x.shape[:2], SIDE, SIDE), (1, 1, 1, 1))
    down, right = (torch.arange(SIDE) + offset[..., None] for offset in by)
    tall = framed.gather(2, down[..., None].expand(*down.shape, SIDE + 2))
    return tall.gather(3, right[:, :, None, :].expand(*x.shape[:2], SIDE, SIDE)).flatten(2)


def _picture(runs: dict[str, Run]) -> Picture:
    def curve(name: str, run: Run, losses: np.ndarray) -> Curve:
        return Curve(name=name, x=run.steps, y=np.median(losses, axis=0), low=losses.min(axis=0), high=losses.max(axis=0))

    panels = (
        Panel(
            title="without a remedy",
            across="step",
            up="loss",
            curves=(curve("training", runs["none"], runs["none"].train), curve("validation", runs["none"], runs["none"].validation)),
            log_y=True,
        ),
        Panel(
            title="validation",
            across="step",
            up="loss",
            curves=tuple(
                Curve(name="validation" if name == "none" else name, x=run.steps, y=np.median(run.validation, axis=0))
                for name, run in runs.items()
            ),
            log_y=True,
        ),
    )
    return Picture(panels=panels, caption="Training and validation loss, and validation loss with each remedy: medians of the seeds.")


LESSON = Lesson(
    name="early-stopping",
    claim="The validation loss bottoms out and then rises while the training loss goes on falling; dropout, label smoothing, "
    "augmentation and weight decay put the bottom off.",
    question="Does every regulariser buy time, and does it buy a better bottom?",
    source="textbook; Prechelt (1998)",
    setup="64-{width}-10 ReLU networks on {rows} digits, AdamW at 0.01, batches of 32, {steps} steps, evaluated every {every}, "
    "{seeds} seeds; dropout 0.5, smoothing 0.1, shifts by one pixel, decay 1.0",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(rows=192, width=64, steps=400, every=10, seeds=12),
    full=Settings(rows=320, width=128, steps=1200, every=10, seeds=16),
    full_s=60.0,
    explanation="Once every training row is classified, the loss falls by making the logits larger, and with them the certainty of "
    "the few mistakes on rows that were held out; cross-entropy charges those without bound, so it rises while the accuracy may "
    "stay. Whatever keeps the network from fitting the rows that fast moves the turn: dropout trains another part at each step "
    "(Srivastava et al. 2014), shifts show other rows, decay pulls the logits back, and smoothed labels ask for finite ones "
    "(Szegedy et al. 2016) and so remove the reason to grow, without slowing the fit itself. Prechelt (1998) shows how uneven the "
    "curves are that stopping has to be decided on.",
)
