"""A short training on which gradients, updates, activations and the curve are looked at, step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ravine.base._seeds import derive
from ravine.doctor.probe import Reading, probe, untouched
from ravine.doctor.subject import LOOKED_AT, Settings, Subject
from ravine.fleet.data import duplicate, size
from ravine.optim import create, muon_groups
from ravine.tasks import Objective
from ravine.tasks._randomness import isolated
from ravine.tasks.kinds import parameter_kinds
from ravine.tasks.splits import take

MARKS = 10
"""Evaluations on the way."""


@dataclass(slots=True)
class Trajectory:
    """What a training did, in arrays with one row a step: whoever watches a loop fills in the same.

    Attributes:
        names: parameters that are trained.
        kinds: what each is for (`ravine.tasks.kinds`).
        losses: (steps,), each before its update.
        gradients: norms, (steps, parameters); NaN where there was none.
        updates: norm of the update over the norm of the weights before it, (steps, parameters).
        rate: peak learning rate.
        evaluated: steps of the evaluations.
        evaluations: name -> values, of training rows ("train") and of validation ("loss", and every metric).
        broken: the step whose loss or gradient was not finite, where training ended; None if it went to its end.
        place: where, at that step.
        steps: to which the rows of gradients and updates belong, (rows,); None where every step has one.
    """

    names: tuple[str, ...]
    kinds: dict[str, str]
    losses: np.ndarray
    gradients: np.ndarray
    updates: np.ndarray
    rate: float
    evaluated: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    evaluations: dict[str, np.ndarray] = field(default_factory=dict)
    broken: int | None = None
    place: str = ""
    steps: np.ndarray | None = None

    def kernels(self) -> list[int]:
        """Columns of the weights between layers, the output's among them, in the order of the model."""
        return [column for column, name in enumerate(self.names) if self.kinds[name] in ("matrix", "output")]


@dataclass(frozen=True, slots=True)
class ShortRun:
    """A finished short training.

    Attributes:
        trajectory: what it did.
        before: a look into the model before the first step.
        after: and after the last.
        objective: the trained one.
        optimizer: with its state.
    """

    trajectory: Trajectory
    before: Reading
    after: Reading
    objective: Objective
    optimizer: torch.optim.Optimizer


def short_run(subject: Subject, lr: float) -> ShortRun:
    """Train a fresh model for a few steps, as the user would.

    Args:
        subject: what is examined.
        lr: the rate, constant.
    """
    objective = subject.objective()
    before = probe(objective, subject.many)
    optimizer = made_optimizer(objective.model, subject.settings, lr)
    batches = subject.batches(subject.steps)
    run = _Run(objective, optimizer, _evaluation(subject, objective))
    with isolated(derive(subject.settings.seed, 0, "dropout")):
        trajectory = run.train(batches, lr)
    if trajectory.broken is not None:
        trajectory.place = probe(objective, batches[trajectory.broken]).broken
    return ShortRun(trajectory, before, probe(objective, subject.many), objective, optimizer)


class _Run:
    def __init__(self, objective: Objective, optimizer: torch.optim.Optimizer, evaluate: Callable[[], dict[str, float]]) -> None:
        self._objective, self._optimizer, self._evaluate = objective, optimizer, evaluate
        self._named = {name: p for name, p in objective.model.named_parameters() if p.requires_grad}
        self._evaluated: list[tuple[int, dict[str, float]]] = []

    def train(self, batches: Sequence[Any], lr: float) -> Trajectory:
        marks = set(np.linspace(0, len(batches), MARKS + 1).round().astype(int).tolist())
        rows: list[tuple[float, list[float], list[float]]] = []
        for step, batch in enumerate(batches):
            if step in marks:
                self._evaluated.append((step, self._evaluate()))
            rows.append(self._step(batch))
            if not rows[-1][2]:
                return self._trajectory(rows, lr, step)
        self._evaluated.append((len(batches), self._evaluate()))
        return self._trajectory(rows, lr, None)

    def _trajectory(self, rows: Sequence[tuple[float, list[float], list[float]]], lr: float, broken: int | None) -> Trajectory:
        losses, gradients = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        updates = np.array([row[2] for row in rows if row[2]]).reshape(-1, len(self._named))
        steps = np.array([step for step, _ in self._evaluated], dtype=np.int64)
        values = {name: np.array([found[name] for _, found in self._evaluated]) for name in self._evaluated[0][1]}
        kinds: dict[str, str] = dict(parameter_kinds(self._objective.model))
        return Trajectory(tuple(self._named), kinds, losses, gradients, updates, lr, steps, values, broken)

    def _again(self, batch: Any) -> float:
        self._optimizer.zero_grad()
        loss = self._objective(duplicate(batch))
        loss.backward()
        return float(loss.detach())

    def _step(self, batch: Any) -> tuple[float, list[float], list[float]]:
        """Loss, gradient norms and relative updates; without the last, and without the step, where something is not finite."""
        self._optimizer.zero_grad()
        loss = self._objective(duplicate(batch))
        value = float(loss.detach())
        if not np.isfinite(value):
            return value, [float("nan")] * len(self._named), []
        loss.backward()
        norms = [float("nan") if p.grad is None else float(p.grad.float().norm()) for p in self._named.values()]
        if any(p.grad is not None and not np.isfinite(norm) for p, norm in zip(self._named.values(), norms, strict=True)):
            return value, norms, []
        before = [p.detach().clone() for p in self._named.values()]
        # A rule that takes a second gradient asks for it by the closure; others ask once, and get what is known.
        known = [value]
        self._optimizer.step(lambda: known.pop() if known else self._again(batch))
        return value, norms, [_ratio(p.detach(), old) for p, old in zip(self._named.values(), before, strict=True)]


def made_optimizer(model: nn.Module, settings: Settings, lr: float) -> torch.optim.Optimizer:
    """The optimizer that the user has, at a rate."""
    is_split = any(flag.name == "elementwise" for flag in settings.entry.rule.flags)
    return create(settings.optimizer, muon_groups(model) if is_split else model.parameters(), lr=lr, **settings.hypers)


def _ratio(new: Tensor, old: Tensor) -> float:
    size = float(old.float().norm())
    return float((new - old).float().norm()) / size if size else float("nan")


def _evaluation(subject: Subject, objective: Objective) -> Callable[[], dict[str, float]]:
    """Values on fixed rows of the training and the validation split, in evaluation mode."""
    validation = subject.task.data.validation
    rows = take(validation, torch.arange(min(LOOKED_AT, size(validation))))

    def evaluate() -> dict[str, float]:
        with untouched(objective), isolated(0):
            objective.eval()
            seen = objective(duplicate(subject.many))
            found = objective(duplicate(rows), evaluate=True)
        return {"train": float(seen.detach())} | {name: float(value.detach()) for name, value in found.items()}

    return evaluate
