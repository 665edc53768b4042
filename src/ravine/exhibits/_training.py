"""A plain training of a fresh model by a drop-in optimiser, looked at after every step."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ravine.base._checks import count, number
from ravine.base._seeds import derive
from ravine.base.errors import DivergedError, InputError
from ravine.fleet.curvature import CURVATURE
from ravine.fleet.data import BatchOrder, duplicate, gather, size
from ravine.optim import create, muon_groups
from ravine.rules import get
from ravine.tasks import Objective, Task
from ravine.tasks._randomness import isolated

LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is trained.

    Attributes:
        optimizer: registry name.
        steps: how many.
        lr: constant rate; the middle of the optimiser's search where None.
        hypers: others, such as {"beta1": 0.95}.
        seed: of weights, batches and dropout.

    Raises:
        UnknownNameError: no such optimiser.
        InputError: a number that is none, or an optimiser that needs more than gradients.
    """

    optimizer: str = "adam"
    steps: int = 100
    lr: float | None = None
    hypers: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if CURVATURE in get(self.optimizer).rule.needs:
            given = f"optimizer={self.optimizer!r} steps by estimates of the curvature"
            raise InputError(f"{given}: must be one that steps by gradients. Give another one, such as 'adamw'.", given=self.optimizer)
        count("steps", self.steps, at_most=LONGEST)
        if self.lr is not None:
            number("lr", self.lr, above=0, below=float("inf"), do="Leave it out for the middle of the optimiser's search.")

    @property
    def rate(self) -> float:
        """The learning rate."""
        return get(self.optimizer).search_lr if self.lr is None else self.lr


@dataclass(frozen=True, slots=True)
class Moment:
    """A step that was just taken.

    Attributes:
        step: its number, from 1.
        loss: of its batch, before it.
        named: trainable parameters, after it.
        before: their values before it.
        gradients: at these; None where the loss does not use the parameter.
        optimizer: with its state after it.
    """

    step: int
    loss: float
    named: Mapping[str, Tensor]
    before: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor | None]
    optimizer: torch.optim.Optimizer


def train(task: Task, settings: Settings, look: Callable[[Moment], None]) -> Objective:
    """Train, and show every step.

    Args:
        task: gives model, batches and loss; it is not changed.
        settings: how.
        look: called after each step.

    Returns:
        the trained objective.

    Raises:
        DivergedError: a loss that is not finite.
    """
    objective = Objective(task.build(derive(settings.seed, "model")), task)
    optimizer = make_optimizer(objective.model, settings)
    named = {name: p for name, p in objective.model.named_parameters() if p.requires_grad}
    with isolated(derive(settings.seed, "dropout")), torch.enable_grad():
        for step, batch in enumerate(batches(task, settings), 1):
            loss = _gradients(objective, optimizer, batch)
            if not loss.isfinite():
                given = f"the loss of {task.name!r} is {loss.item()} at step {step} under {settings.optimizer} with lr={settings.rate:g}"
                raise DivergedError(f"{given}: must be finite. Give a smaller lr.", step=step, loss=loss.item())
            before = {name: p.detach().clone() for name, p in named.items()}
            found = {name: None if p.grad is None else p.grad.clone() for name, p in named.items()}
            optimizer.step(_closure(loss, objective, optimizer, batch))
            look(Moment(step, float(loss), named, before, found, optimizer))
    return objective


def make_optimizer(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The drop-in optimizer, with matrices apart for a rule that treats them otherwise."""
    is_split = any(flag.name == "elementwise" for flag in get(settings.optimizer).rule.flags)
    groups = muon_groups(model) if is_split else [{"params": [p for p in model.named_parameters() if p[1].requires_grad]}]
    return create(settings.optimizer, groups, lr=settings.rate, **settings.hypers)


def batches(task: Task, settings: Settings) -> Iterator[Any]:
    """As many batches as there are steps, a function of the seed alone."""
    train = task.data.train
    order = BatchOrder(size(train), task.rows_per_step, derive(settings.seed, "order"))
    for _ in range(settings.steps):
        yield train if order.is_full_batch else gather(train, order.take(1)[0])


def _closure(loss: Tensor, objective: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> Callable[[], float]:
    """For a rule that takes a second gradient; others ask once, and get what is known."""
    known = [loss]
    return lambda: float(known.pop() if known else _gradients(objective, optimizer, batch))


def _gradients(objective: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> Tensor:
    optimizer.zero_grad()
    loss: Tensor = objective(duplicate(batch))
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()
