"""A model that is evaluated beside the trained one, such as an average: whether it goes with the weights, and its statistics with it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ravine.doctor.sampling import spread

TOLD = 2
"""Pairs of evaluations that must agree."""
THINNED = 4096
"""Numbers of a parameter by which it is followed."""
JUDGED = 4
"""Evaluations from which on an average is judged."""

Sums = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What of a model was as it was at an earlier evaluation, in sums that change whenever any number does.

    Attributes:
        layers: with running statistics.
        weights: of the evaluated model's parameters.
        statistics: of its running statistics.
        trained: of the running statistics of the trained model.
        went: share of the way of the trained weights since the first evaluation that its own have gone; NaN where it is not known.
        dtype: of its weights, where that is narrower than theirs; else empty.
    """

    layers: int
    weights: Sums
    statistics: Sums
    trained: Sums
    went: float = math.nan
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Some numbers of an evaluated model and of the trained one at the first evaluation.

    Attributes:
        model: of the evaluated one, by parameter.
        trained: of the trained one; as many.
    """

    model: list[Tensor]
    trained: list[Tensor]


def started(model: nn.Module, trained: nn.Module) -> Start | None:
    """Where an evaluated model begins; None where it is none of the same parameters.

    Args:
        model: that is evaluated.
        trained: that is trained meanwhile.
    """
    own, theirs = list(model.parameters()), list(trained.parameters())
    if not own or [p.shape for p in own] != [p.shape for p in theirs]:
        return None
    return Start([_thinned(p) for p in own], [_thinned(p) for p in theirs])


def evaluated(model: nn.Module, trained: nn.Module, start: Start | None = None) -> Evaluated:
    """What an evaluated model is now.

    Args:
        model: that is evaluated.
        trained: that is trained meanwhile.
        start: where both began.
    """
    held, now = _statistics(model), started(model, trained)
    went = math.nan if start is None or now is None else _went(start, now)
    sums = _sums(model.parameters()), _sums(held), _sums(_statistics(trained))
    return Evaluated(len(held) // 2, *sums, went, "" if now is None else _narrow(model, trained))


def followed(seen: list[Evaluated]) -> float:
    """Share of the way of the trained weights that an average has gone, in the median of the late evaluations; NaN where few were seen.

    Args:
        seen: at each evaluation.
    """
    late = [one.went for one in seen[-(JUDGED - 1) :]]
    return sorted(late)[len(late) // 2] if len(seen) >= JUDGED and not any(map(math.isnan, late)) else math.nan


def stale(seen: list[Evaluated]) -> int:
    """Evaluations in which only the weights had moved on, statistics had not, and those of the trained model had; 0 if in any they had.

    Args:
        seen: at each evaluation.
    """
    moved = [(old, new) for old, new in pairwise(seen) if new.weights != old.weights and new.trained != old.trained]
    is_stale = len(moved) >= TOLD and all(old.layers and new.statistics == old.statistics for old, new in moved)
    return len(moved) + 1 if is_stale else 0


def _statistics(model: nn.Module) -> list[Tensor]:
    norms = [part for part in model.modules() if isinstance(part, nn.modules.batchnorm._NormBase)]
    return [held for norm in norms for held in (norm.running_mean, norm.running_var) if held is not None]


def _sums(tensors: Iterable[Tensor]) -> Sums:
    sums = [tensor.detach().double().sum() for tensor in tensors]
    return tuple(torch.stack([one.to(sums[0].device) for one in sums]).tolist()) if sums else ()


def _thinned(p: Tensor) -> Tensor:
    numbers = spread(p).reshape(-1)
    return numbers[:: numbers.numel() // THINNED | 1].float().clone()


def _went(start: Start, now: Start) -> float:
    """Its own way along theirs, over theirs."""
    along = whole = 0.0
    for own, old, theirs, before in zip(now.model, start.model, now.trained, start.trained, strict=True):
        way = theirs - before
        along += float(((own - old).to(way.device) * way).sum())
        whole += float(way.square().sum())
    return along / whole if whole else math.nan


def _narrow(model: nn.Module, trained: nn.Module) -> str:
    pairs = [(p.dtype, q.dtype) for p, q in zip(model.parameters(), trained.parameters(), strict=True)]
    return next((str(own).removeprefix("torch.") for own, theirs in pairs if own.itemsize < theirs.itemsize), "")
