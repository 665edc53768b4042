"""What a higher rung says of a lower one's finding: that it is an echo of another fault, or that it has cost next to nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ravine.doctor.checks_curve import FLAT, STUCK
from ravine.doctor.checks_data import TARGETS
from ravine.doctor.checks_gradients import LARGE_ACTIVATIONS
from ravine.doctor.checks_loss import INDEPENDENT, NO_INPUT, TOO_HIGH
from ravine.doctor.checks_model import CROWDED, SYMMETRIC
from ravine.doctor.checks_rate import TOO_LOW
from ravine.doctor.checks_setup import RANDOM, UNSCALED
from ravine.doctor.outcome import Outcome, judged, unknown
from ravine.doctor.reach import OVERFIT
from ravine.records.findings import RUNGS, Severity

UNLEARNT = "not even one batch can be learnt"
DEAF = (
    "Look for what keeps the inputs from the output: a mask the wrong way round (where True hides, or shows), layers that see no input, "
    "outputs detached from the weights, weights that start at zero, dead units, frozen layers."
)
"""The remedy where neither one batch is learnt nor anything of the inputs."""
EXPLAINING = (RANDOM, CROWDED, TARGETS)
"""Warnings that are errors where not even one batch can be learnt."""
CAUSES = {
    STUCK: (SYMMETRIC, RANDOM, CROWDED, TARGETS, UNSCALED),
    LARGE_ACTIVATIONS: (TARGETS, UNSCALED),
}
"""Finding -> those of lower rungs that it may follow from, so that a remedy of its own would lead astray."""
THOUSAND, STEADY = 1000, 0.1
"""Steps of a small training, and the share of the loss that they must take off."""


def without_echoes(outcomes: Sequence[Outcome], stops: Mapping[str, str]) -> list[Outcome]:
    """A model that cannot learn one batch learns nothing from its inputs either: that is the same fault once more.

    Args:
        outcomes: of all rungs.
        stops: rung -> why the rungs above it mean nothing.
    """
    if OVERFIT not in stops:
        return list(outcomes)
    deaf = next((one for one in outcomes if one.rung.verdict == "fail" and _titles(one) == [NO_INPUT]), None)
    if deaf is None:
        return list(outcomes)
    beside = f"; what it learns does not depend on its inputs: {deaf.rung.measured}"
    made = {INDEPENDENT: unknown(INDEPENDENT, f"{deaf.rung.measured}; {stops[OVERFIT]}")}
    return [_told(one, UNLEARNT, beside, DEAF) if one.rung.rung == OVERFIT else made.get(one.rung.rung, one) for one in outcomes]


def with_causes_first(outcomes: Sequence[Outcome], stops: Mapping[str, str]) -> list[Outcome]:
    """Where not even one batch can be learnt, what may be a choice elsewhere (`EXPLAINING`) is its cause, and it follows from that.

    Args:
        outcomes: of all rungs.
        stops: rung -> why the rungs above it mean nothing.
    """
    if OVERFIT not in stops:
        return list(outcomes)
    beside = f"; {stops[OVERFIT]}"
    raised = list(outcomes)
    for title in EXPLAINING:
        raised = [_told(one, title, beside, severity="error") if title in _titles(one) else one for one in raised]
    below = [one for one in raised if RUNGS.index(one.rung.rung) < RUNGS.index(OVERFIT)]
    cause = next((found.title for one in below for found in one.findings if found.severity == "error"), None)
    if cause is None:
        return raised
    remedy = f'It may follow from the finding "{cause}": mend that first, and examine again.'
    return [_told(one, UNLEARNT, "", remedy, severity="error") if one.rung.rung == OVERFIT else one for one in raised]


def with_remedies_of_causes(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Where a finding names what another follows from, the other's remedy is to mend that first.

    Args:
        outcomes: of all rungs.
    """
    known = [title for outcome in outcomes for title in _titles(outcome)]
    told = list(outcomes)
    for symptom, causes in CAUSES.items():
        cause = next((title for title in causes if title in known), None)
        if cause is not None and symptom in known:
            remedy = f'It may follow from the finding "{cause}": mend that first, and examine again.'
            told = [_remedied(one, symptom, remedy) for one in told]
    return told


def _remedied(outcome: Outcome, title: str, remedy: str) -> Outcome:
    found = tuple(replace(one, remedy=remedy) if one.title == title else one for one in outcome.findings)
    return replace(outcome, findings=found)


def without_overcome_starts(outcomes: Sequence[Outcome], reached: float | None, baseline: float | None) -> list[Outcome]:
    """A loss that begins too high is told and no fault, where the short training came below what any constant output loses.

    The loss of large first outputs is that of any random answers, right data or wrong; training says which it is. Published
    architectures begin so where their heads were made for other numbers of classes.

    Args:
        outcomes: of all rungs.
        reached: loss at the end of the short training; None if there was none, or it broke.
        baseline: loss of the best constant output; None if it is not known.
    """
    if reached is None or baseline is None or not reached < (1 - FLAT) * baseline:
        return list(outcomes)
    beside = f"; the short training came to {reached:.4g}, below the {baseline:.4g} of a constant output"
    return [_told(outcome, TOO_HIGH, beside, severity="information") if TOO_HIGH in _titles(outcome) else outcome for outcome in outcomes]


def without_slow_descents(outcomes: Sequence[Outcome], fallen: float | None, steps: int) -> list[Outcome]:
    """A rate far below the first descent is told and no fault, where a thousand steps at it take off a tenth of the loss or more.

    Args:
        outcomes: of all rungs.
        fallen: share by which the loss fell in the short training, at that rate; None if there was none, or it broke.
        steps: of the short training.
    """
    if fallen is None or not fallen * THOUSAND / steps >= STEADY:
        return list(outcomes)
    beside, remedy = (
        f"; in {steps} steps at it the loss fell by {fallen:.0%}",
        "Nothing; `ravine race` tells whether a higher one is faster.",
    )
    return [
        _told(outcome, TOO_LOW, beside, remedy, severity="information")
        if TOO_LOW in _titles(outcome) and outcome.rung.verdict == "warn"
        else outcome
        for outcome in outcomes
    ]


def _told(outcome: Outcome, title: str, beside: str, remedy: str = "", *, severity: Severity = "error") -> Outcome:
    """The same with a finding as severe as it is in this light, what speaks for it, and maybe another remedy."""
    findings = [
        replace(found, severity=severity, measured=f"{found.measured}{beside}", remedy=remedy or found.remedy)
        if found.title == title
        else found
        for found in outcome.findings
    ]
    return judged(outcome.rung.rung, f"{outcome.rung.measured}{beside}", findings, stops=outcome.stops)


def _titles(outcome: Outcome) -> list[str]:
    return [finding.title for finding in outcome.findings]
