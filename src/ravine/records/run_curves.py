"""Curves of a run that another tool logged: series in the order of their steps, and what had to be done to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ravine.base.errors import InputError
from ravine.records.findings import Diagnosis

GAP = 10.0
"""Usual spacings of steps without a value from which something is missing."""
MOST_RETURNS = 0.05
"""Share of the values at which steps may go back: a run that is resumed does so once, a number within epochs all the time."""
MOST_REPLACED = 0.5
"""Share of the values that such returns may write again."""


@dataclass(frozen=True, eq=False)
class Series:
    """Values at rising steps.

    Attributes:
        name: of the column or tag.
        steps: rising.
        values: as they were logged, NaN and infinity included.
        returns: steps to which the log went back, as that of a resumed run does; what it then wrote again took the place of the old.
        replaced: values that were.
        gaps: (last step before, first step after) where values are missing.
    """

    name: str
    steps: np.ndarray
    values: np.ndarray = field(repr=False)
    returns: tuple[int, ...] = ()
    replaced: int = 0
    gaps: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class RunCurve:
    """A run.

    Attributes:
        name: of the file or folder.
        kind: of log, such as "CSV".
        losses: of training.
        evaluations: "loss" of validation, and metrics by name.
    """

    name: str
    kind: str
    losses: Series
    evaluations: Mapping[str, Series]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to see in the figure.

    Attributes:
        step: where.
        label: what.
        value: how high; None for the whole height.
        until: last step of a span; None for a single step.
    """

    step: float
    label: str
    value: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class CurveReading:
    """What a curve says.

    Attributes:
        curve: the run.
        diagnosis: its findings.
        marks: where they are.
    """

    curve: RunCurve
    diagnosis: Diagnosis
    marks: tuple[Mark, ...]


def series(name: str, steps: Sequence[float], values: Sequence[float]) -> Series:
    """Values as they were logged, in the order of their steps.

    Args:
        name: of the column.
        steps: one a value, in the order of the log.
        values: may be NaN or infinite.

    Raises:
        InputError: steps go back again and again, so that they do not count the steps of the run.
    """
    kept_steps, kept_values, returns, replaced = list[float](), list[float](), list[int](), 0
    for step, value in zip(steps, values, strict=True):
        if kept_steps and step <= kept_steps[-1]:
            before = len(kept_steps)
            while kept_steps and kept_steps[-1] >= step:
                kept_steps.pop()
                kept_values.pop()
            replaced += before - len(kept_steps)
            returns.append(int(step))
        kept_steps.append(step)
        kept_values.append(value)
    if len(returns) > max(3, MOST_RETURNS * len(steps)) or (len(returns) > 1 and replaced >= MOST_REPLACED * len(steps)):
        raise InputError(
            f"the steps of {name!r} go back {len(returns)} times in {len(steps)} values, as a number within epochs does: name a column "
            "that counts all steps with --columns step=NAME, or give --columns step= to count the rows.",
            given=name,
        )
    found = np.array(kept_steps, dtype=np.float64)
    return Series(name, found, np.array(kept_values, dtype=np.float64), tuple(returns), replaced, _gaps(found))


def _gaps(steps: np.ndarray) -> tuple[tuple[int, int], ...]:
    if len(steps) < 4:
        return ()
    apart = np.diff(steps)
    wide = np.flatnonzero(apart > GAP * np.median(apart))
    return tuple((int(steps[place]), int(steps[place + 1])) for place in wide)
