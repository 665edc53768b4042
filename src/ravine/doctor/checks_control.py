"""A control for validation: rows held out of the training split, which the model has not seen either."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.doctor.checks_data import hashed
from ravine.doctor.short_run import short_run
from ravine.doctor.subject import Subject
from ravine.fleet.data import duplicate, gather, size
from ravine.records.findings import Finding, Severity
from ravine.tasks._randomness import isolated
from ravine.tasks.objective import divide

INDEPENDENT = "input-independent baseline"
WORSE, SCALED, RENUMBERED = (
    "validation comes out worse than held-out rows of train",
    "validation is scaled otherwise than train",
    "validation numbers its classes otherwise than train",
)
PART, MOST, FEWEST = 8, 512, 32
"""One in so many training rows is held out, at most and at least so many; validation must have as many."""
GAP, ERRORS = 0.2, 3.0
"""Share of the loss without inputs by which validation may be worse, besides standard errors of rows that lose as much as their mean."""
SPREAD, MOVED = 2.0, 0.5
"""Factor between the standard deviations of a split's inputs, and between means in standard deviations, from which they are told."""
EXCHANGED, SHARED = 0.25, 0.05
"""Share of validation that other numbers must put right, and of the held-out rows that may stand in what is left of train."""
_PREPARED = "Kapoor and Narayanan (2023), Leakage and the reproducibility crisis; decision 0019"


def held_out(subject: Subject) -> tuple[Any, Any] | None:
    """The training split as (rows that are left, rows that are held out); None where there are too few, or one batch holds them all.

    Args:
        subject: of a task with `loss=`.
    """
    count = size(subject.train)
    rows = min(MOST, count // PART)
    batch = subject.task.batch_size or 0
    if rows < FEWEST or size(subject.task.data.validation) < FEWEST or batch > count - rows:
        return None
    order = torch.randperm(count, generator=torch.Generator().manual_seed(derive(subject.settings.seed, "doctor", "control")))
    return gather(subject.train, order[rows:]), gather(subject.train, order[:rows])


def compared(subject: Subject, parts: tuple[Any, Any], with_inputs: Mapping[str, float], without: Mapping[str, float]) -> Finding | None:
    """What is wrong where rows held out of train are learnt and those of validation are not; None if both come out alike.

    Args:
        subject: whose splits they are.
        parts: what `held_out` gave.
        with_inputs: split ("validation", "control") -> loss reached.
        without: the same with zeros for the inputs.
    """
    if not all(math.isfinite(loss) and loss > 0 for loss in (*with_inputs.values(), *without.values())):
        return None
    seen, control = (with_inputs[name] / without[name] for name in ("validation", "control"))
    rows = size(subject.task.data.validation), size(parts[1])
    if seen - control < GAP + ERRORS * math.hypot(seen / math.sqrt(rows[0]), control / math.sqrt(rows[1])):
        return None
    train = set(hashed(parts[0][:-1]))
    if sum(row in train for row in hashed(parts[1][:-1])) > SHARED * rows[1]:
        return None
    told = [f"{without[name]:.4g} to {with_inputs[name]:.4g}" for name in ("validation", "control")]
    measured = f"inputs take the loss from {told[0]} on validation, from {told[1]} on {rows[1]} training rows held out of training"
    return _renumbered(subject, measured) or _scaled(subject, measured) or _worse(measured, seen)


def _worse(measured: str, seen: float) -> Finding:
    remedy = (
        "Compare how the splits are read: scaling and encoders fitted on train alone and applied to both, one order of columns, channels "
        "and classes. Where validation is of another time or group on purpose, this is the gap to be expected."
    )
    return _found("error" if seen >= 1 else "warning", WORSE, measured, remedy)


def _scaled(subject: Subject, measured: str) -> Finding | None:
    """The same, where the inputs themselves differ in mean or spread."""
    data = subject.task.data
    pairs = zip(pytree.tree_leaves(data.train[:-1]), pytree.tree_leaves(data.validation[:-1]), strict=True)
    for place, (train, validation) in enumerate(pairs):
        if not isinstance(train, Tensor) or not train.is_floating_point():
            continue
        (mean, sd), (other, spread) = _moments(train), _moments(validation)
        if sd == 0 or (1 / SPREAD < spread / sd < SPREAD and float((other - mean).square().mean().sqrt()) < MOVED * sd):
            continue
        told = f"input {place} has mean {float(mean.mean()):.3g} and sd {sd:.3g} in train, {float(other.mean()):.3g} and {spread:.3g} there"
        remedy = "Prepare both alike: x_validation = (x_validation - x_train.mean(0)) / x_train.std(0), with the numbers of train."
        return _found("error", SCALED, f"{measured}; {told}", remedy)
    return None


def _moments(leaf: Tensor) -> tuple[Tensor, float]:
    """Mean of every column, and the standard deviation within columns."""
    rows = leaf.reshape(len(leaf), -1).double()
    return rows.mean(0), float(rows.var(0).mean().sqrt())


def _renumbered(subject: Subject, measured: str) -> Finding | None:
    """The same, where another numbering of the classes puts validation right."""
    if not subject.has_classes:
        return None
    inputs, target = divide(duplicate(subject.task.data.validation))
    model = short_run(subject, subject.settings.entry.search_lr).objective.model.eval()
    with isolated(0), torch.no_grad():
        output = model(*inputs)
    if not isinstance(output, Tensor) or output.ndim != 2 or not isinstance(target, Tensor) or target.ndim != 1:
        return None
    table = np.zeros((output.shape[1],) * 2)
    np.add.at(table, (output.argmax(1).numpy(), target.numpy()), 1)
    named, meant = linear_sum_assignment(table, maximize=True)
    right, exchanged = (float(found.sum() / table.sum()) for found in (table.diagonal(), table[named, meant]))
    if exchanged - right < EXCHANGED:
        return None
    moved = [f"{a} for {b}" for a, b in zip(meant, named, strict=True) if a != b and table[a, b] + table[b, a] > 0]
    told = f"{right:.1%} of its labels are right, {exchanged:.1%} with other numbers: {', '.join(moved[:4])}"
    remedy = "Number the classes once for all splits: fit the encoder on train, and call only transform() on the others."
    return _found("error", RENUMBERED, f"{measured}; {told}", remedy)


def _found(severity: Severity, title: str, measured: str, remedy: str) -> Finding:
    threshold = f"a difference of {GAP:g} of the loss without inputs"
    return Finding(severity, INDEPENDENT, title, measured, threshold, _PREPARED, "the validation split", remedy)
