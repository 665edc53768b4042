"""The rung `rate` in a loop that is watched: what its schedule makes of the rate, and what the rate makes of the model."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ravine.doctor import checks_curve, checks_gradients, curves
from ravine.doctor.loop_log import LoopLog, is_lower_better
from ravine.doctor.outcome import Outcome, judged, unknown
from ravine.doctor.probe import Activation
from ravine.records.findings import Finding, Severity

RATE = "rate"
DECAYED, CUT = "the rate decays to nothing", "the rate is cut while the run improves"
GONE, FOR_MOST = 1e-3, 0.5
"""Share of its peak below which a rate does nothing, and of the steps since the peak that it may be there."""
BEGUN = 0.5
"""Share of its peak that a rate must reach while the run lasts; one that begins with it has no warm-up."""
FEW_STEPS = 10
"""Over which the loss is averaged where it may have blown up."""
FEW_LOSSES = 100
"""Below which curves are not judged."""
FADED = 1e-3
"""Variance over inputs at the last hidden layer, of that before the first step, below which the model has lost them."""
_TRAINING = "Karpathy (2019), A recipe for training neural networks"
_WARM_UP = "Xiong et al. (2020), arXiv:2002.04745; Liu et al. (2020), arXiv:2004.08249"


def rate(log: LoopLog, is_whole: bool = False) -> Outcome:
    """What the schedule makes of the rate."""
    if not log.rates:
        return unknown(RATE, "no step was looked at")
    steps, values = (np.array(column, dtype=np.float64) for column in zip(*log.rates, strict=True))
    measured = f"{values[0]:.3g} at first, at most {values.max():.3g}, {values[-1]:.3g} at step {len(log.losses):,}"
    found = [*_blown(log), *_cut(log), *_gone(log, steps, values), *(_unbegun(log, float(values.max())) if is_whole else ())]
    found += _cold(log, values) if not found else ()
    return judged(RATE, measured, found)


def _blown(log: LoopLog) -> Iterator[Finding]:
    """The mean of a few losses is far above the start and the best before it."""
    losses = log.trajectory().losses
    means = losses[: len(losses) // FEW_STEPS * FEW_STEPS].reshape(-1, FEW_STEPS).mean(1)
    bests = np.minimum.accumulate(np.concatenate([losses[:1], means]))[:-1]
    high = np.flatnonzero((means > curves.BLOW_UP * bests) & (means > losses[:1]) & (bests > 0))
    if not len(high):
        return
    worst = int(np.nanargmax(means))
    severity: Severity = "warning" if means[-1] < losses[0] else "error"
    measured = f"{means[worst]:.4g} in the mean of {FEW_STEPS} steps, from {losses[0]:.4g} at the start and {bests[high[0]]:.4g} at best"
    threshold, where = f"{curves.BLOW_UP:g} times the best before it", f"from step {int(high[0]) * FEW_STEPS + 1:,} on"
    remedy = f"Lower the rate (now {log.rates[-1][1]:.3g}), warm up, or clip gradients; `ravine range-test` shows where it diverges."
    yield Finding(
        severity, RATE, "the rate is too high", measured, threshold, "fastai and Lightning; PROTOCOL, the race, 10", where, remedy
    )


def _gone(log: LoopLog, steps: np.ndarray, values: np.ndarray) -> Iterator[Finding]:
    peak = int(values.argmax())
    low = np.flatnonzero(values[peak:] < GONE * values[peak])
    if not len(low) or len(log.losses) < FEW_LOSSES:
        return
    first, whole = float(steps[peak + low[0]]), len(log.losses) - float(steps[peak])
    if len(log.losses) - first <= FOR_MOST * whole:
        return
    measured = f"from {values[peak]:.3g} to {values[-1]:.3g}; below a thousandth since step {int(first) + 1:,}"
    remedy = "Step the schedule once an epoch if its numbers are epochs, or give it numbers of steps."
    threshold = f"above {GONE:g} of its peak for half of the steps"
    yield Finding("warning", RATE, DECAYED, measured, threshold, "PROTOCOL, update-to-weight", f"step {int(first) + 1:,}", remedy)


def _cut(log: LoopLog) -> Iterator[Finding]:
    """A schedule that waits for a metric to get better, and looks the wrong way."""
    mode, best = getattr(log.schedule, "mode", None), getattr(log.schedule, "best", None)
    cuts = int((np.diff(log.validated_at) < 0).sum()) if log.validated_at else 0
    if mode not in ("min", "max") or not isinstance(best, int | float) or not cuts:
        return
    names = [name for name in _named(log, float(best)) if is_lower_better(name) != (mode == "min")]
    if not names or len(names) < len(_named(log, float(best))):
        return
    right, better = ("max", "higher") if mode == "min" else ("min", "lower")
    seen = [values[names[0]] for _, values in log.validations if names[0] in values]
    measured = f"mode={mode!r}, and the best that it knows, {best:.4g}, is the {names[0]} of an evaluation, which went from "
    measured += f"{seen[0]:.4g} to {seen[-1]:.4g}, while the rate was cut {cuts} times from {max(log.validated_at):.3g} "
    measured += f"to {log.rates[-1][1]:.3g}"
    remedy = f"Give it mode={right!r}, since {better} is better for {names[0]}; or step it with the validation loss."
    source = "PyTorch documentation, ReduceLROnPlateau"
    yield Finding("warning", RATE, CUT, measured, f"mode={right!r} for {names[0]}", source, "the schedule", remedy)


def _named(log: LoopLog, value: float) -> list[str]:
    """Names under which a value was logged."""
    return sorted({name for _, values in log.validations for name, known in values.items() if math.isclose(known, value, rel_tol=1e-6)})


def _unbegun(log: LoopLog, top: float) -> Iterator[Finding]:
    taken = getattr(log.schedule, "last_epoch", None)
    if log.peak is None or not log.is_rising or top >= BEGUN * log.peak or not isinstance(taken, int) or taken > len(log.losses) / 2:
        return
    measured = f"at most {top:.3g} of {log.peak:.3g}: {taken:,} steps of the schedule in {len(log.losses):,} of the training"
    remedy = "Call schedule.step() after every optimizer.step() if its numbers are steps."
    yield Finding("warning", RATE, "the rate never leaves its warm-up", measured, f"{BEGUN:.0%} of its peak", _TRAINING, "", remedy)


def _cold(log: LoopLog, values: np.ndarray) -> Iterator[Finding]:
    """A sound model whose first steps, at the full rate, rewrote its weights, and that has lost its inputs since: a warm-up is missing."""
    first = log.looks[0]
    columns = log.trajectory().kernels()
    rewritten = float(np.nanmedian([first.measured.updates[column] for column in columns])) if columns else math.nan
    has_warm_up = first.step or values[0] < BEGUN * values.max()
    if len(log.losses) < FEW_LOSSES or has_warm_up or not rewritten > checks_gradients.UPDATE_HIGH:
        return
    faded = next(((look.step, *lost) for look in log.looks[1:] if (lost := _lost(first.activations, look.activations))), None)
    known = log.losses[0] if log.classes is None else math.log(log.classes)
    has_learnt = checks_curve.end(log.trajectory()) < (1 - checks_curve.FLAT) * known
    if faded is None or has_learnt or _lost(first.activations, log.reading().activations) is None:
        return
    step, layer, before, after = faded
    measured = (
        f"the first step, at the full rate {values[0]:.3g}, moves weights by {rewritten:.0%} of their size; differences between inputs at "
        f"{layer} fell from {before:.2g} to {after:.2g} by step {step + 1:,}, and nothing is learnt after it"
    )
    remedy = "Let the rate rise over the first 5 to 10 % of the steps: schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, "
    remedy += "total_iters=500), stepped at every batch; or norms before the branches, or a lower rate."
    threshold = f"{checks_gradients.UPDATE_HIGH:g} of the weights a step"
    yield Finding("error", RATE, "the first steps are too large: no warm-up", measured, threshold, _WARM_UP, "the first steps", remedy)


def _lost(first: Sequence[Activation], late: Sequence[Activation]) -> tuple[str, float, float] | None:
    """The last hidden layer and its variances, if it no longer tells inputs apart that it told apart before the first step."""
    before, after = ([seen for seen in look if seen.is_kernel][:-1] for look in (first, late))
    if not before or not after or before[-1].name != after[-1].name:
        return None
    told = before[-1].variance, after[-1].variance
    is_sound = np.isfinite(told).all() and told[0] > before[0].variance / checks_gradients.DRIFT
    return (before[-1].name, *told) if is_sound and told[1] < FADED * told[0] else None
