"""What an optimiser holds and does over one run, parameter by parameter, read from the drop-in class itself.

    effective rate          |change| / |gradient| of each entry: the rate that plain SGD would have needed for the same step
    update-to-weight ratio  norm of the change over the norm of the weight

Slots go by the rule's symbols (m, v, ...), each as its root mean square over the parameter. Weight decay is part of the change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ravine.exhibits._training import Moment, Settings, train
from ravine.exhibits.depth import finite
from ravine.rules import Slot, get, resolve
from ravine.tasks import Task

QUANTILES = (0.1, 0.5, 0.9)
"""Of the entries' effective rates."""


@dataclass(frozen=True, slots=True)
class Internals:
    """One run, looked at after every step.

    Attributes:
        task: its name.
        optimizer, lr: what it was trained with.
        names: parameters, (N,).
        losses: before each step, (steps,).
        gradients: root mean square, (steps, N); NaN where there is no gradient, here and below.
        weights: the same, before the step.
        updates: the same of the change.
        rates: quantiles (`QUANTILES`) of the effective rate over the entries whose gradient is not 0, (steps, N, 3).
        states: symbol -> root mean square of that slot after the step, (steps, N).
        shared: symbol -> what the rule keeps for the whole model, such as Prodigy's d, (steps,).
    """

    task: str
    optimizer: str
    lr: float
    names: tuple[str, ...]
    losses: np.ndarray
    gradients: np.ndarray
    weights: np.ndarray
    updates: np.ndarray
    rates: np.ndarray
    states: Mapping[str, np.ndarray]
    shared: Mapping[str, np.ndarray]

    @property
    def ratios(self) -> np.ndarray:
        """Update-to-weight ratio, (steps, N); NaN for a weight of 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.weights > 0, self.updates / self.weights, np.nan)

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.losses)

    def summary(self) -> dict[str, Any]:
        """The same as plain values (schema 1), null where there is no number."""
        arrays = {name: _plain(getattr(self, name)) for name in ("losses", "gradients", "weights", "updates", "ratios", "rates")}
        states, shared = ({symbol: _plain(values) for symbol, values in held.items()} for held in (self.states, self.shared))
        known = {"task": self.task, "optimizer": self.optimizer, "lr": self.lr, "parameters": list(self.names)}
        return {"schema": 1, "figure": "internals", **known, "quantiles": list(QUANTILES), **arrays, "states": states, "shared": shared}


def _plain(values: Any) -> Any:
    return finite(values) if np.ndim(values) == 0 else [_plain(value) for value in values]


def internals_of(
    task: Task,
    optimizer: str = "adam",
    steps: int = 100,
    *,
    lr: float | None = None,
    hypers: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Internals:
    """Train a fresh model and look into its optimiser after every step.

    Args:
        task: gives model, batches and loss.
        optimizer: registry name.
        steps: how many.
        lr: constant rate; the middle of the optimiser's search if None.
        hypers: others by name.
        seed: of everything random.

    Raises:
        UnknownNameError, InputError: an unusable setting.
        DivergedError: a loss that is not finite.

    Example:
        >>> from ravine.tasks import create
        >>> run = internals_of(create("line"), "adam", 3)
        >>> run.steps, sorted(run.states)
        (3, ['m', 'v'])
    """
    settings = Settings(optimizer, steps, lr, hypers or {}, seed)
    resolve(optimizer, settings.hypers)
    notes = _Notes(get(optimizer).rule.slots)
    train(task, settings, notes.look)
    return notes.result(task, settings)


class _Notes:
    def __init__(self, slots: tuple[Slot, ...]) -> None:
        self._own = {slot.symbol: slot.key for slot in slots if not slot.of_lane}
        self._whole = {slot.symbol: slot.key for slot in slots if slot.of_lane}
        self._names: tuple[str, ...] = ()
        self._rows: list[dict[str, Any]] = []

    def look(self, moment: Moment) -> None:
        self._names = tuple(moment.named)
        row: dict[str, Any] = {"losses": moment.loss}
        changes = {name: p.detach() - moment.before[name] for name, p in moment.named.items()}
        row["gradients"] = [_rms(moment.gradients[name]) for name in changes]
        row["weights"] = [_rms(moment.before[name]) for name in changes]
        row["updates"] = [_rms(change) for change in changes.values()]
        row["rates"] = [_rates(change, moment.gradients[name]) for name, change in changes.items()]
        kept = [moment.optimizer.state.get(p, {}) for p in moment.named.values()]
        row["states"] = {symbol: [_rms(state.get(key)) for state in kept] for symbol, key in self._own.items()}
        group = moment.optimizer.param_groups[0]
        row["shared"] = {symbol: float(group[key]) for symbol, key in self._whole.items() if key in group}
        self._rows.append(row)

    def result(self, task: Task, settings: Settings) -> Internals:
        plain = ("losses", "gradients", "weights", "updates", "rates")
        arrays = {name: np.array([row[name] for row in self._rows]) for name in plain}
        states = {symbol: np.array([row["states"][symbol] for row in self._rows]) for symbol in self._own}
        # A slot that no parameter has under the present flags is none.
        states = {symbol: values for symbol, values in states.items() if not np.isnan(values).all()}
        shared = {symbol: np.array([row["shared"][symbol] for row in self._rows]) for symbol in self._rows[0]["shared"]}
        return Internals(task.name, settings.optimizer, settings.rate, self._names, **arrays, states=states, shared=shared)


def _rms(tensor: Tensor | None) -> float:
    return float("nan") if tensor is None or not tensor.numel() else float(tensor.double().square().mean().sqrt())


def _rates(change: Tensor, gradient: Tensor | None) -> list[float]:
    moved = torch.zeros(0) if gradient is None else (change[gradient != 0] / gradient[gradient != 0]).abs().double()
    # Quantiles of so many numbers that a sort of them costs no more than the step did.
    return [float("nan")] * len(QUANTILES) if not moved.numel() else [float(value) for value in np.quantile(moved.numpy(), QUANTILES)]
