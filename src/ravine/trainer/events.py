"""What happens in a training, in the order in which it happens:

    Began                                   once; a resumed run says from which step it goes on
    for every batch:
        gradients of the batch, in `accumulate` pieces
        clip, and measure their norm
        Skipped                             float16 only: the gradients overflowed and the step is left out
        the optimizer's step
        Stepped                             after every optimiser step
        Evaluated                           every `evaluate_every` steps, and after the last one
        Saved                               when a checkpoint is due, and after the last step
    Ended                                   once, and why

`Noted` may come at any time. An observer is any function of one event; it runs between two steps and changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["steps", "patience", "terminated", "interrupted"]
"""Why a training ended: all steps taken, no improvement any more, SIGTERM, or Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Began:
    """The model stands and the first step is next.

    Attributes:
        steps: optimiser steps of the whole training.
        step: steps that were taken before; 0 unless it resumes.
        parameters: numbers that are trained.
        settings: what is set, as lines for people.
        described: every setting as text, by name.
    """

    steps: int
    step: int
    parameters: int
    settings: tuple[str, ...] = field(repr=False)
    described: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stepped:
    """An optimiser step was taken.

    Attributes:
        step: steps taken so far.
        loss: mean over the batch, before the step.
        norm: of all gradients together, before clipping.
        lr: the rate of the step.
        examples: rows of the batch.
    """

    step: int
    loss: float
    norm: float
    lr: float
    examples: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """Gradients in float16 overflowed: no step was taken, and the loss scale is halved.

    Attributes:
        step: steps taken so far, which this does not count among.
        scale: the loss scale from now on.
    """

    step: int
    scale: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A split was evaluated.

    Attributes:
        step: steps taken so far.
        split: "validation" or "test"; behind "ensemble/" where all snapshots predict together.
        values: "loss" and every metric of the task.
        is_best: whether the monitored value is the best so far.
    """

    step: int
    split: str
    values: Mapping[str, float]
    is_best: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint is on the disk.

    Attributes:
        step: steps taken so far.
        path: where it lies.
    """

    step: int
    path: Path


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that a person should know.

    Attributes:
        text: one sentence.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The training is over.

    Attributes:
        step: steps taken.
        reason: why.
    """

    step: int
    reason: Reason


Event: TypeAlias = Began | Stepped | Skipped | Evaluated | Saved | Noted | Ended
"""Whatever happens."""

Observer: TypeAlias = Callable[[Event], None]
"""Told of everything as it happens."""


def unobserved(event: Event) -> None:
    """The observer of whoever wants none."""
    del event
