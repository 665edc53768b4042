"""Snapshot ensembles: the weights at the end of each cycle of a cosine with warm restarts, and their prediction together.

The prediction is the mean of probabilities where the loss compares probabilities (cross entropy, of classes or of zeros and
ones, and the negative log-likelihood), given back as what that loss takes; for any other loss it is the mean of outputs.

References:
    Huang et al. (2017), Snapshot ensembles: train 1, get M for free, arXiv:1704.00109.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ravine.base._checks import count
from ravine.base.errors import InputError, RecordError, TaskError
from ravine.schedules import CosineRestarts, Schedule
from ravine.tasks import Task
from ravine.tasks.functional import functional_call
from ravine.trainer.checkpoint import read, snapshot_name, write

PROBABILITIES, OUTPUTS = "mean of probabilities", "mean of outputs"


@dataclass(frozen=True, slots=True)
class Ensembled:
    """What the snapshots of a training reach together.

    Attributes:
        model: their prediction, a module.
        steps: where they were taken.
        prediction: "mean of probabilities" or "mean of outputs".
        metrics: split -> "loss" and every metric of the task.
    """

    model: "Ensemble" = field(repr=False)
    steps: tuple[int, ...]
    prediction: str
    metrics: Mapping[str, Mapping[str, float]]


class Ensemble(nn.Module):
    """One model at several weights.

    Args:
        model: in evaluation mode; its own weights are not read.
        weights: state dicts of it, on its device.
        loss: the task's, which says what a prediction is.

    Attributes:
        prediction: "mean of probabilities" or "mean of outputs".

    Example:
        >>> scale = nn.Linear(1, 1, bias=False)
        >>> ensemble = Ensemble(scale, [{"weight": torch.tensor([[w]])} for w in (1.0, 3.0)], F.mse_loss)
        >>> ensemble(torch.tensor([[2.0]])).item(), ensemble.prediction
        (4.0, 'mean of outputs')
    """

    def __init__(self, model: nn.Module, weights: Sequence[Mapping[str, Tensor]], loss: Any) -> None:
        super().__init__()
        self.model, self._weights = model, [dict(part) for part in weights]
        self._combine = _combination(loss)
        self.prediction = PROBABILITIES if self._combine is not _mean else OUTPUTS

    def forward(self, *inputs: Any) -> Tensor:
        """The prediction, in the form of one model's output.

        Raises:
            TaskError: the output is no tensor.
        """
        outputs = [functional_call(self.model, part, inputs, tie_weights=False) for part in self._weights]
        _check_output(outputs[0])
        return self._combine(torch.stack(outputs))


class Snapshots:
    """The weights at the end of each cycle, as far as a training has come.

    Args:
        steps: where they are taken.

    Attributes:
        weights: step -> a state dict.
    """

    def __init__(self, steps: tuple[int, ...]) -> None:
        self.steps, self.weights, self._unwritten = steps, dict[int, dict[str, Tensor]](), set[int]()

    def take(self, step: int, weights: dict[str, Tensor]) -> None:
        """Keep the weights after a step."""
        self.weights[step] = weights
        self._unwritten.add(step)

    def write(self, folder: Path, origin: Mapping[str, Any]) -> None:
        """Write those that are new, each a file of its own.

        Raises:
            OSError, SafetensorError: one could not be written.
        """
        for step in sorted(self._unwritten):
            write(folder / snapshot_name(step), {**origin, "step": step}, self.weights[step])
            self._unwritten.discard(step)

    def restore(self, folder: Path, step: int, device: torch.device) -> None:
        """Read those that were taken until a step.

        Raises:
            RecordError: one is missing or damaged.
        """
        for taken in (taken for taken in self.steps if taken <= step):
            try:
                found = read(folder / snapshot_name(taken)).tensors
            except RecordError as error:
                raise RecordError(f"{error} The ensemble needs it: put it back, or begin again with force (--force).") from error
            self.weights[taken] = {name: tensor.to(device) for name, tensor in found.items()}


def snapshot_steps(task: Task, number: int | None, schedule: Schedule, steps: int, patience: int | None) -> tuple[int, ...]:
    """Where snapshots are taken: at the ends of the last cycles; nowhere if none are asked for.

    Raises:
        InputError: there are too few cycles, or the task or another option allows no ensemble.
    """
    if number is None:
        return ()
    count("snapshots", number, at_least=2, do="One is no ensemble.")
    if patience is not None:
        given = f"snapshots={number} with patience={patience}"
        raise InputError(f"{given}: every restart makes the model worse for a while, and patience would end the run. Leave one out.")
    if task.loss is None:
        remedy = "Leave it out, or give the task a loss"
        raise InputError(f"snapshots={number}: the task has a step of its own, which hides the model's output. {remedy}.", given=number)
    if not isinstance(schedule, CosineRestarts):
        given = f"snapshots={number} with the schedule {schedule.name}"
        raise InputError(f"{given}: snapshots are taken where the cycles of cosine_restarts end. Leave schedule out.", given=number)
    ends = schedule.ends(steps)
    if len(ends) < number:
        given = f"snapshots={number} with {len(ends)} cycles that end within {steps:,} steps"
        raise InputError(f"{given}: every snapshot needs one. Leave schedule out, or give cosine_restarts:cycles={number}.", given=number)
    inputs: Any = task.data.train
    if isinstance(inputs, tuple) and all(isinstance(part, Tensor) for part in inputs):
        with torch.no_grad():
            _check_output(task.build(0).eval()(*(part[:1] for part in inputs[:-1])))
    return ends[-number:]


def _check_output(output: object) -> None:
    if not isinstance(output, Tensor):
        given = f"the model's output is of type {type(output).__name__}"
        raise TaskError(f"{given}: predictions of an ensemble are means of one tensor. Leave snapshots out, or let the model return one.")


def _combination(loss: Any) -> Callable[[Tensor], Tensor]:
    """How stacked outputs, (M, ...), become one prediction."""
    if isinstance(loss, functools.partial):
        loss = loss.func
    if loss is F.cross_entropy or isinstance(loss, nn.CrossEntropyLoss):
        # Of stacked outputs: torch's losses have classes second, or first where there is no batch.
        return lambda outputs: _log_mean(outputs.log_softmax(min(2, outputs.ndim - 1)))
    if getattr(loss, "is_cross_entropy", False):
        # Of a task's own loss that says so: classes last.
        return lambda outputs: _log_mean(outputs.log_softmax(-1))
    if loss is F.nll_loss or isinstance(loss, nn.NLLLoss):
        return _log_mean
    if loss is F.binary_cross_entropy_with_logits or isinstance(loss, nn.BCEWithLogitsLoss):
        return lambda outputs: _log_mean(F.logsigmoid(outputs)) - _log_mean(F.logsigmoid(-outputs))
    if loss is F.binary_cross_entropy or isinstance(loss, nn.BCELoss):
        return lambda outputs: outputs.mean(0)
    return _mean


def _mean(outputs: Tensor) -> Tensor:
    return outputs.mean(0)


def _log_mean(logs: Tensor) -> Tensor:
    """The logarithm of the mean of what these are logarithms of."""
    return logs.logsumexp(0) - math.log(len(logs))
