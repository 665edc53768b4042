"""What a lesson must show, fixed before its run: numbers with intervals, and the one verdict that they permit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import betaincinv

from ravine.base.errors import InputError
from ravine.records.statistics import Interval, median_interval, paired_difference

CONFIDENCE = 0.95
"""Chance that the intervals of all parts of a lesson hold together (Bonferroni)."""

Verdict = Literal["supported", "refuted", "holds only at the stated settings", "cannot be told"]
VERDICTS: tuple[Verdict, ...] = ("refuted", "holds only at the stated settings", "cannot be told", "supported")
"""Those first that teach most."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One number as an experiment measured it.

    Attributes:
        values: one a seed; a single one that is exact.
        kind: "mean" or "median" of seeds, "share" of seeds in which something happened (values 0 and 1), or "exact".
    """

    values: tuple[float, ...]
    kind: Literal["mean", "median", "share", "exact"]

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The estimate, and the interval that so many seeds permit.

        A mean has a t-interval, a BCa bootstrap from 12 seeds on; a median one between two order statistics; a share Clopper and
        Pearson's. There is none where all seeds gave the same number to the last bit, or one of them none at all.
        """
        if self.kind == "exact":
            return Interval(self.values[0], self.values[0], self.values[0], 1.0)
        if self.kind == "share":
            return _share(sum(self.values), len(self.values), confidence)
        if self.kind == "median":
            return median_interval([math.inf if math.isnan(value) else value for value in self.values], confidence=confidence)
        if not np.isfinite(self.values).all():
            return Interval(float(np.mean(self.values)), None, None, 0.0)
        found = paired_difference(self.values, confidence=confidence)
        return Interval(found.mean, found.low, found.high, 0.0 if found.low is None else confidence)


def over_seeds(values: Sequence[float] | np.ndarray) -> Sample:
    """The mean of finite values, one a seed."""
    return Sample(tuple(map(float, values)), "mean")


def median_over_seeds(values: Sequence[float] | np.ndarray) -> Sample:
    """The median of values, one a seed; infinite where something never happened."""
    return Sample(tuple(map(float, values)), "median")


def share_of_seeds(happened: Sequence[bool] | np.ndarray) -> Sample:
    """The share of seeds in which something happened."""
    return Sample(tuple(map(float, happened)), "share")


def exact(value: float) -> Sample:
    """A number without chance in it: computed, not sampled."""
    return Sample((float(value),), "exact")


def _share(happened: float, seeds: int, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low = float(betaincinv(happened, seeds - happened + 1, tail)) if happened else 0.0
    high = float(betaincinv(happened + 1, seeds - happened, 1 - tail)) if happened < seeds else 1.0
    return Interval(happened / seeds, low, high, confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One statement of a claim, to be held against one number.

    Attributes:
        number: the name of the number, as the experiment gives it.
        says: the statement, such as "Adam's final loss is below SGD's".
        measures: what the number is, such as "log10 of SGD's loss over Adam's".
        above, below: open ends of the range in which the number's whole interval must lie; None for no end.
        elsewhere: whether this is measured away from the settings that the claim states.
    """

    number: str
    says: str
    measures: str
    above: float | None = None
    below: float | None = None
    elsewhere: bool = False

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise InputError(f"part {self.number!r}: must have above or below, or it could not fail. Give one of them.", given=self.number)

    @property
    def range(self) -> str:
        """Where the number has to lie, in words."""
        ends = [f"{word} {value:.8g}" for word, value in (("above", self.above), ("below", self.below)) if value is not None]
        return " and ".join(ends)

    def holds(self, interval: Interval, confidence: float) -> bool | None:
        """Whether the statement holds; None where the interval reaches over an end of the range, or there is none of that confidence."""
        low, high = interval.low, interval.high
        if low is None or high is None or math.isnan(low) or math.isnan(high) or interval.confidence < confidence - 1e-9:
            return None
        # An end that is missing bounds nothing: an infinite median lies above every other.
        if (self.above is None or low > self.above) and (self.below is None or high < self.below):
            return True
        is_outside = (self.above is not None and high <= self.above) or (self.below is not None and low >= self.below)
        return False if is_outside else None


@dataclass(frozen=True, slots=True)
class Judged:
    """A part and what the run says of it.

    Attributes:
        part: the statement.
        interval: of its number.
        holds: None where it cannot be told.
    """

    part: Part
    interval: Interval
    holds: bool | None

    @property
    def measured(self) -> str:
        """The number with its interval."""
        return shown(self.interval)

    def as_json(self) -> dict[str, Any]:
        """As plain values; infinities and what is no number are null."""
        part, interval = self.part, self.interval
        ends = {key: finite(getattr(interval, key)) for key in ("estimate", "low", "high")}
        told = {"number": part.number, "says": part.says, "measures": part.measures, "above": part.above, "below": part.below}
        return {**told, "elsewhere": part.elsewhere, **ends, "confidence": interval.confidence, "holds": self.holds}


def judge(parts: Sequence[Part], numbers: Mapping[str, Sample]) -> list[Judged]:
    """Hold every part against its number, with intervals that hold together."""
    missing = [part.number for part in parts if part.number not in numbers]
    if missing:
        raise InputError(
            f"the experiment gives no {', '.join(map(repr, missing))}; it gives {', '.join(numbers) or 'nothing'}.", given=missing
        )
    confidence = 1 - (1 - CONFIDENCE) / len(parts)
    intervals = [numbers[part.number].interval(confidence) for part in parts]
    return [Judged(part, interval, part.holds(interval, confidence)) for part, interval in zip(parts, intervals, strict=True)]


def verdict(judged: Sequence[Judged]) -> Verdict:
    """The verdict on the whole claim.

    Refuted where a part fails at the stated settings; else not to be told where one of them cannot be told; else it holds there, and
    holds only there where a part fails elsewhere. Supported where every part holds.
    """
    stated = [one.holds for one in judged if not one.part.elsewhere]
    beyond = [one.holds for one in judged if one.part.elsewhere]
    if False in stated:
        return "refuted"
    if None in stated:
        return "cannot be told"
    if False in beyond:
        return "holds only at the stated settings"
    return "cannot be told" if None in beyond else "supported"


def sentence(judged: Sequence[Judged]) -> str:
    """The verdict in words, with the numbers that decided it."""
    found = verdict(judged)
    if found == "supported":
        return f"Supported: {'every one of its ' + str(len(judged)) + ' parts holds' if len(judged) > 1 else 'it holds'}."
    failed = [one for one in judged if one.holds is False and one.part.elsewhere == (found == "holds only at the stated settings")]
    open_ones = [one for one in judged if one.holds is None]
    deciding = failed or open_ones
    words = {
        "refuted": "Refuted: not so that",
        "holds only at the stated settings": "Holds only at the stated settings: elsewhere it is not so that",
        "cannot be told": "Cannot be told: no verdict on whether",
    }[found]
    more = f", and {len(deciding) - 1} more" if len(deciding) > 1 else ""
    first = deciding[0]
    return f"{words} {first.part.says} (measured {first.measured}, must be {first.part.range}){more}."


def shown(interval: Interval) -> str:
    """An estimate and its interval as people read them."""
    if interval.low is None or interval.high is None:
        return f"{interval.estimate:.4g} (no interval)"
    if interval.low == interval.high:
        return f"{interval.estimate:.4g}"
    return f"{interval.estimate:.4g} [{interval.low:.4g}, {interval.high:.4g}]"


def finite(value: float | None) -> float | None:
    """A value for JSON, which has neither infinity nor NaN."""
    return value if value is not None and math.isfinite(value) else None
