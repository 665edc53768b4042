"""The rung `rate`: the user's rate against the bounds of a range test."""

import math

from ravine.doctor.outcome import Outcome, judged, unknown
from ravine.doctor.range_test import FEWEST, range_test
from ravine.doctor.subject import Subject
from ravine.records.findings import Finding, Severity
from ravine.records.sweeps import RangeTest

RATE = "rate"
TOO_LOW = "the rate is too low"
NEAR = 3.0
"""Factor below the diverging rate from which a rate is near the top: the protocol's "fragile"."""
SAFE = 10.0
"""Factor below the diverging rate at which a rate is chosen where none is known."""
SLOW, STANDING = 10.0, 100.0
"""Factors below the first descent from which a rate is slow, and from which nothing moves: the test has few steps at each rate."""
_SOURCE = "range test: Smith (2017), arXiv:1506.01186; PROTOCOL, the race, 10"


def tested(subject: Subject) -> RangeTest:
    """The range test of a subject, with its optimiser and seeds."""
    settings = subject.settings
    steps = max(FEWEST, subject.steps)
    return range_test(subject.task, optimizer=settings.optimizer, seeds=settings.seeds, steps=steps, race_seed=settings.seed)


def rate(test: RangeTest, lr: float | None) -> Outcome:
    """Where a rate lies between first descent and divergence.

    Args:
        test: of the same task and optimiser.
        lr: the user's; None where it is not known, so that only the bounds are told.
    """
    low, high = _least(test.descents), _least(test.divergences)
    top = f"{high:.3g}" if high is not None else f"above {test.rates[-1]:.3g}"
    if low is None:
        measured = f"no descent between {test.rates[0]:.3g} and {test.rates[-1]:.3g}, divergence at {top}"
        return unknown(RATE, measured) if lr is None else judged(RATE, measured, [_no_descent(test, measured, lr)])
    measured = f"first descent at {low:.3g}, divergence at {top} ({len(test.descents)} seeds of {test.optimizer})"
    if lr is None:
        return judged(RATE, measured)
    measured = f"{lr:g}; {measured}"
    if high is not None and lr >= high:
        return judged(RATE, measured, [_finding("error", "the rate is too high", measured, f"below {high:.3g}", _safer(high))])
    if high is not None and lr > high / NEAR:
        remedy = f"Warm up, clip gradients, or use {_safer(high)[4:]}"
        return judged(RATE, measured, [_finding("warning", "the rate is near the top", measured, f"below {high / NEAR:.3g}", remedy)])
    if lr < low / SLOW:
        severity: Severity = "error" if lr < low / STANDING else "warning"
        remedy = f"Use lr={_rounded_up(low / SLOW)} or more; `ravine race` finds the best one."
        threshold = f"above {low / SLOW:.3g}, a tenth of the first descent"
        return judged(RATE, measured, [_finding(severity, TOO_LOW, measured, threshold, remedy)])
    return judged(RATE, measured)


def working_rate(test: RangeTest, usual: float) -> float:
    """A rate for the rungs above where the user has named none: the optimiser's usual one, moved inside the bounds."""
    low, high = _least(test.descents), _least(test.divergences)
    lr = usual if low is None else max(usual, low / SLOW)
    return lr if high is None else min(lr, high / SAFE)


def _least(rates: tuple[float | None, ...]) -> float | None:
    return min((rate for rate in rates if rate is not None), default=None)


def _no_descent(test: RangeTest, measured: str, lr: float) -> Finding:
    remedy = "See the findings of the rungs below: no rate makes this loss fall."
    return _finding("warning", "the loss falls at no rate", f"{lr:g}; {measured}", "a descent somewhere", remedy)


def _rounded_up(lr: float) -> str:
    """To one digit, and never down: to less than the bound it would be no remedy."""
    unit = 10.0 ** math.floor(math.log10(lr))
    return f"{math.ceil(lr / unit - 1e-9) * unit:.1g}"


def _safer(high: float) -> str:
    return f"Use lr={high / SAFE:.1g} or less; `ravine race` finds the best one."


def _finding(severity: Severity, title: str, measured: str, threshold: str, remedy: str) -> Finding:
    return Finding(severity, RATE, title, measured, threshold, _SOURCE, "the learning rate", remedy)
