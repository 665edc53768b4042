"""The lowest rung, on the rows themselves: splits that share rows, classes that crowd out the others, padding that is learnt."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.doctor.subject import Subject
from ravine.fleet.data import size
from ravine.records.findings import Finding, Severity
from ravine.tasks._randomness import isolated
from ravine.tasks.hints import name_of
from ravine.tasks.metrics import accuracy

LOADING = "loading"
SHARED = 0.05
"""Share of a split's rows that may stand in the training split."""
BEYOND_CHANCE = 3.0
"""Times the share of training rows that repeat each other: where few inputs are possible, splits meet by chance."""
DIFFERENT, TOLD_APART = 64, 0.9
"""Rows from which halves are looked at, and the share of them that each half must tell apart."""
CROWD = 0.90
"""Share of the rows that one class may hold where accuracy is the metric."""
PADDED, ELSEWHERE, LENGTHS = 0.10, 0.01, 3
"""Of a padding: its least share of the targets, its largest share of those before it, and its different lengths."""
SQUARES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")
"""Losses by the distance between output and target."""
FAR, ASIDE = 100.0, 10.0
"""Root mean square of targets, and their mean in standard deviations where it is also as many in itself, that are not scaled."""
TARGETS = "targets are not scaled"
_LECUN = "LeCun et al. (1998), Efficient BackProp, section 4.3; decision 0019"
_LEAKS = "Kaufman et al. (2012), Leakage in data mining"
_IMBALANCE = "He and Garcia (2009), Learning from imbalanced data; decision 0019"
_IGNORED = "torch's documentation of cross_entropy: ignore_index"


def data(subject: Subject) -> Iterator[Finding]:
    """What is wrong with the rows, however the model is built.

    Args:
        subject: of a task that runs.
    """
    yield from _shared(subject)
    yield from _unscaled(subject)
    padding = list(_padding(subject))
    yield from padding or crowd(subject)


def _shared(subject: Subject) -> Iterator[Finding]:
    data = subject.task.data
    known = _rows(subject, data.train)
    inside = set(known)
    repeated = 1 - len(inside) / len(known)
    for name, split in (("validation", data.validation), ("test", data.test)):
        if split is None:
            continue
        rows = _rows(subject, split)
        hits = [place for place, row in enumerate(rows) if row in inside]
        share = len(hits) / len(rows)
        if share < SHARED or (share <= BEYOND_CHANCE * repeated and not _are_copies(subject)):
            continue
        is_same = inside == set(rows)
        severity: Severity = "information" if is_same else "warning"
        measured = f"{len(hits):,} of {len(rows):,} rows ({share:.0%}), such as row {hits[0]:,}"
        remedy = "Split before rows are copied, oversampled or augmented, and by group where rows belong together."
        if is_same:
            remedy = "Nothing, if the task is one of optimisation alone; else keep rows apart for it."
        title, threshold = f"rows of the {name} split stand in train", f"{SHARED:.0%}"
        yield Finding(severity, LOADING, title, measured, threshold, _LEAKS, f"the {name} split", remedy)


def _unscaled(subject: Subject) -> Iterator[Finding]:
    """Targets of a regression that are far from what fresh models give."""
    target = subject.target
    if not isinstance(target, Tensor) or not target.is_floating_point() or name_of(subject.task.loss) not in SQUARES:
        return
    values = target.double()
    rms, mean, sd = float(values.square().mean().sqrt()), float(values.mean()), float(values.std())
    if rms <= FAR and not (abs(mean) > ASIDE * sd > 0 and abs(mean) > ASIDE):
        return
    measured = f"a root mean square of {rms:.3g}; mean {mean:.3g}, standard deviation {sd:.3g}"
    threshold = f"a root mean square of at most {FAR:g}, a mean within {ASIDE:g} standard deviations of 0"
    remedy = "Standardise with the training split: y = (y - y_train.mean(0)) / y_train.std(0), and turn predictions back by the same two."
    yield Finding("warning", LOADING, TARGETS, measured, threshold, _LECUN, "the targets", remedy)


def _rows(subject: Subject, split: Any) -> list[int]:
    """A hash of the inputs of every row; of everything, where they cannot be told from targets."""
    return hashed(split[:-1] if subject.task.step is None else split)


def hashed(tree: Any) -> list[int]:
    """A hash of every row of a tree of tensors."""
    return _hashes(_flat(tree))


def _flat(tree: Any) -> list[Tensor]:
    leaves = [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and leaf[0].numel()]
    return [leaf.detach().cpu().reshape(size(leaf), -1) for leaf in leaves]


def _hashes(flat: list[Tensor]) -> list[int]:
    """Of every row."""
    parts = [np.ascontiguousarray(leaf.contiguous().view(torch.uint8).numpy()) for leaf in flat]
    return [hash(b"".join(part[row].tobytes() for part in parts)) for row in range(len(flat[0]))]


def _are_copies(subject: Subject) -> bool:
    """Whether training rows that repeat each other were copied, and do not meet because few inputs are possible.

    Where either half of a row's numbers tells the rows apart, the halves would have to meet at once: that is no chance. And a
    copy has its row's target, where what is observed twice may have another.
    """
    train = subject.task.data.train
    inputs = _flat(train[:-1] if subject.task.step is None else train)
    count = len(set(_hashes(inputs)))
    if count < DIFFERENT or len(set(_hashes(_flat(train)))) > count:
        return False
    halves = [[leaf[:, place::2] for leaf in inputs if leaf.shape[1] > 1] for place in (0, 1)]
    return all(half and len(set(_hashes(half))) >= TOLD_APART * count for half in halves)


def crowd(subject: Subject) -> Iterator[Finding]:
    """Whether one class holds nearly all rows.

    Args:
        subject: of a task that runs.
    """
    target = subject.target
    if not isinstance(target, Tensor) or not _are_classes(subject, target):
        return
    kept = target[target != -100] if not target.is_floating_point() else target
    values, counts = torch.unique(kept, return_counts=True)
    share = float(counts.max() / counts.sum())
    if share < CROWD or len(values) < 2:
        return
    is_misread = any(metric is accuracy or "acc" in name.lower() for name, metric in subject.task.metrics.items())
    severity: Severity = "warning" if is_misread else "information"
    measured = f"class {values[counts.argmax()].item():g} holds {share:.1%}, which is the accuracy of always saying so"
    remedy = "Rank by the loss, balanced accuracy or average precision; weigh the classes: nn.CrossEntropyLoss(weight=1 / shares)."
    title = "one class holds nearly all rows"
    yield Finding(severity, LOADING, title, measured, f"{CROWD:.0%} beside accuracy", _IMBALANCE, "the targets", remedy)


def _are_classes(subject: Subject, target: Tensor) -> bool:
    is_binary = target.is_floating_point() and target[0].numel() == 1 and bool(((target == 0) | (target == 1)).all())
    return is_binary or (subject.has_classes and not target.is_floating_point())


def _padding(subject: Subject) -> Iterator[Finding]:
    target = subject.target
    if not isinstance(target, Tensor) or target.ndim != 2 or target.is_floating_point() or target.shape[1] < LENGTHS:
        return
    value = int(torch.mode(target[:, -1]).values)
    tails = _tails(target, value)
    share, rest = float(tails.float().mean()), target[~tails]
    is_padding = share >= PADDED and len(torch.unique(tails.sum(1))) >= LENGTHS and bool((rest == value).float().mean() <= ELSEWHERE)
    if not is_padding or value == -100 or not rest.numel():
        return
    weight = _weight(subject, value)
    if weight is None or weight == 0:
        return
    measured = f"{share:.0%} of the targets are {value} at the end of a row; they carry {weight:.0%} of the loss's gradient at the start"
    remedy = f"F.cross_entropy(..., ignore_index={value}), or a mask: (loss * mask).sum() / mask.sum()"
    yield Finding("warning", LOADING, "the loss is averaged over padding", measured, "0 %", _IGNORED, "the loss", remedy)


def _tails(target: Tensor, value: int) -> Tensor:
    """Where a row is nothing but a value up to its end."""
    return (target == value).flip(1).long().cumprod(1).flip(1).bool()


def _weight(subject: Subject, value: int) -> float | None:
    """Share of the gradient of the loss by the output that padded places have; None where places of the output are not known."""
    output, target = subject.output(subject.batch, subject.model()), subject.batch[-1]
    if not isinstance(output, Tensor) or output.ndim != 3 or len(output) != len(target) or subject.task.loss is None:
        return None
    is_last = output.shape[1] == target.shape[1]
    if not is_last and output.shape[2] != target.shape[1]:
        return None
    with isolated(0), torch.enable_grad():
        leaf = output.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(subject.task.loss(leaf, target), leaf)
    sizes = gradient.float().abs().sum(2 if is_last else 1)
    return float(sizes[_tails(target, value)].sum() / sizes.sum().clamp(min=1e-30))
