"""What is examined: a task, how it is to be trained, and the tensors that every rung looks at."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from ravine.base._checks import count, number
from ravine.base._seeds import derive
from ravine.base.errors import InputError
from ravine.fleet.curvature import CURVATURE
from ravine.fleet.data import BatchOrder, duplicate, gather, size
from ravine.rules import Entry, get
from ravine.tasks import Objective, Task
from ravine.tasks._randomness import isolated
from ravine.tasks.hints import CLASS_LOSSES, PAIRED, name_of
from ravine.tasks.objective import divide

LOOKED_AT = 512
"""Most rows of the batch on which units and activations are looked at."""

FEWEST_STEPS = 30
"""Steps below which nothing is trained, however slow the model is."""

STEPS_IN_ALL = 16
"""Trainings of the ladder, each as long as the short one, by their cost."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the task is to be trained, as far as the user says.

    Attributes:
        optimizer: registry name.
        lr: peak rate; None: not known, and one is chosen.
        hypers: other hypers by symbol.
        steps: of the short trainings.
        seeds: lanes that each measurement is repeated on.
        seed: of everything random.
        seconds: that the trainings should not take much longer than; fewer steps are taken where they would.

    Raises:
        InputError: a value outside its interval.
        UnknownNameError: no such optimiser.
    """

    optimizer: str = "adamw"
    lr: float | None = None
    hypers: Mapping[str, float] = field(default_factory=dict)
    steps: int = 200
    seeds: int = 3
    seed: int = 0
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if CURVATURE in self.entry.rule.needs:
            given = f"optimizer={self.optimizer!r} steps by estimates of the curvature"
            raise InputError(f"{given}: must be one that steps by gradients. Have the task examined under 'adamw'.", given=self.optimizer)
        if self.lr is not None:
            number("lr", self.lr, above=0, below=float("inf"), do="Leave it out to have one chosen.")
        count("steps", self.steps, at_least=FEWEST_STEPS)
        count("seeds", self.seeds, at_least=2, at_most=16, do="3 to 5 show the spread.")
        number("seconds", self.seconds, above=0)

    @property
    def entry(self) -> Entry:
        """The optimiser's declaration."""
        return get(self.optimizer)


class Subject:
    """A task under examination; every rung reads the very same tensors.

    Args:
        task: it has been found to run.
        settings: how it is to be trained.
    """

    def __init__(self, task: Task, settings: Settings) -> None:
        self.task, self.settings = task, settings
        self.train = task.data.train

    @property
    def batch_size(self) -> int:
        """Rows of a training batch."""
        return self.task.rows_per_step

    @cached_property
    def batch(self) -> Any:
        """The first training batch; not to be written into."""
        return self._first(self.batch_size)

    @cached_property
    def many(self) -> Any:
        """More rows than a batch where it is small, for what only many inputs show."""
        return self._first(max(self.batch_size, min(LOOKED_AT, size(self.train))))

    def batches(self, count: int) -> list[Any]:
        """The first so many batches, as training draws them."""
        order = BatchOrder(size(self.train), self.batch_size, derive(self.settings.seed, "doctor", "order"))
        if order.is_full_batch:
            return [self.train] * count
        return [gather(self.train, index) for index in order.take(count)]

    def _first(self, rows: int) -> Any:
        index = torch.randperm(size(self.train), generator=torch.Generator().manual_seed(derive(self.settings.seed, "doctor", "rows")))
        return gather(self.train, index[:rows])

    def model(self, seed: int = 0) -> nn.Module:
        """A fresh model of a lane seed, in training mode."""
        return self.task.build(derive(self.settings.seed, seed, "init")).train()

    def objective(self, seed: int = 0) -> Objective:
        """The same, as a function from a batch to its loss."""
        return Objective(self.model(seed), self.task).train()

    def output(self, batch: Any, model: nn.Module) -> Any:
        """What the model gives for a batch; None for a task whose step hides it."""
        if self.task.step is not None:
            return None
        with isolated(0), torch.no_grad():
            return model(*divide(duplicate(batch))[0])

    @cached_property
    def target(self) -> Any:
        """The targets of the training split; None for a task with a step of its own."""
        return self.train[-1] if self.task.step is None else None

    @property
    def has_classes(self) -> bool:
        """Whether the loss takes scores of classes and their numbers."""
        loss = self.task.loss
        return loss is not None and (name_of(loss) in CLASS_LOSSES or bool(getattr(loss, "is_cross_entropy", False)))

    @property
    def can_reach_zero(self) -> bool:
        """Whether the loss of rows that are known by heart is known to be 0."""
        return self.has_classes or name_of(self.task.loss) in PAIRED

    @cached_property
    def step_s(self) -> float:
        """Seconds of processor time of a forward and backward pass of one batch: the second of two."""
        objective, taken = self.objective(), 0.0
        named = [p for p in objective.parameters() if p.requires_grad]
        for _ in range(2):
            given, started = duplicate(self.batch), time.thread_time()
            with isolated(0), torch.enable_grad():
                torch.autograd.grad(objective(given), named, allow_unused=True)
            taken = time.thread_time() - started
        return taken

    @cached_property
    def steps(self) -> int:
        """Of a short training: as set, or as many as the time permits."""
        fits = int(self.settings.seconds / (STEPS_IN_ALL * max(self.step_s, 1e-7)))
        return max(FEWEST_STEPS, min(self.settings.steps, fits))


def variant(task: Task, *, model: Callable[[], nn.Module] | None = None, **changes: Any) -> Task:
    """The same task with some parts replaced, which keeps the data that was read."""
    made = replace(task, model=model or task.model, **changes)
    if "data" in task.__dict__ and not {"train", "validation", "test", "load"} & changes.keys():
        made.__dict__["data"] = task.__dict__["data"]
    return made
