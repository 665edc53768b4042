"""The rung `curve`: what the losses of a training say by themselves."""

from collections.abc import Iterator, Mapping

import numpy as np

from ravine.doctor import curves
from ravine.doctor.outcome import Outcome, judged
from ravine.doctor.short_run import Trajectory
from ravine.records.findings import Finding, Severity

CURVE = "curve"
DISAGREES = "the loss falls and the metric does not get better"
AGREED = 0.10
"""Share by which the validation loss must fall before a metric is expected to follow."""
STUCK, UNFINISHED = "the loss stays flat and high", "still improving at the end"
FLAT = 0.01
"""Share of the initial loss by which it must fall, and by which it must come below the input-independent loss."""
STRIDE = 1e-3
"""Update over weights from which a loss that does not fall is not for want of a higher rate."""
HIGH_SPIKE = 0.25
"""Share of the whole fall that a spike must undo to be more than a hard batch; of the loss itself, where it has not fallen."""
AFTER = 5
"""Losses, from a spike on, whose median says whether it lasts."""
SWINGING = 0.25
"""Share of evaluations that stand above both neighbours."""
TURNED, WORSENED = 0.05, 0.01
"""Rise of the validation loss above its best, and fall of the metric below its own, relative."""
LATE = 0.75
"""Part of the curve that a best value must reach to be called late."""
_FOUNDRY = "llm-foundry (2 times the mean of 100), OLMo-core (6 sd over 128)"
_PRECHELT = "Prechelt (1998), Early stopping, but when?; Google's tuning playbook"
_TRAINER = "AutoTrainer (Zhang et al., ICSE 2021)"


def curve(
    trajectory: Trajectory,
    baseline: float | None,
    *,
    higher_is_better: Mapping[str, bool],
    is_whole: bool = False,
    logged: np.ndarray | None = None,
) -> Outcome:
    """Spikes, a flat and high curve, oscillation, validation that turns up, a best value at the end.

    Args:
        trajectory: of the training.
        baseline: loss of the best constant output; None if unknown.
        higher_is_better: of every metric.
        is_whole: whether it is the user's own training to its end, so that a late best value means something.
        logged: step of each loss, where not every step's was logged; the trajectory's rate is NaN where it is not known.
    """
    fallen = curves.fall(trajectory.losses)
    first, last = float(trajectory.losses[: max(1, len(trajectory.losses) // 10)].mean()), end(trajectory)
    found = [*_flat(trajectory, fallen, baseline), *_spikes(trajectory, (first, last), logged), *_swings(trajectory)]
    found += _turned(trajectory, higher_is_better)
    if is_whole and curves.best_place(curves.smoothed(trajectory.losses)) >= LATE:
        found.append(_late())
    counted = f"{len(trajectory.losses)} {'steps' if logged is None else 'values'}"
    rate = f" at lr={trajectory.rate:.3g}" if np.isfinite(trajectory.rate) else ""
    return judged(CURVE, f"loss {first:.4g} to {last:.4g} in {counted}{rate}", found)


def end(trajectory: Trajectory) -> float:
    """Mean loss of the last tenth."""
    return float(trajectory.losses[-max(1, len(trajectory.losses) // 10) :].mean())


def _late() -> Finding:
    title, measured, remedy = (
        UNFINISHED,
        "the best loss stands in the last quarter",
        "Train longer, or let the rate decay.",
    )
    return Finding("information", CURVE, title, measured, "before the last 25 %", "Google's tuning playbook", "", remedy)


def _flat(trajectory: Trajectory, fallen: float, baseline: float | None) -> Iterator[Finding]:
    if fallen >= FLAT:
        return
    last = end(trajectory)
    is_stuck = baseline is not None and last >= (1 - FLAT) * baseline
    if baseline is not None and not is_stuck:
        return
    beside = f"; a constant output reaches {baseline:.4g}" if baseline is not None else ""
    moved = f"rose by {-fallen:.2%}" if fallen < 0 else f"fell by {fallen:.2%}"
    measured = f"{moved} to {last:.4g} in {len(trajectory.losses)} steps{beside}"
    remedy = _raised(trajectory)
    severity: Severity = "error" if is_stuck else "warning"
    source = f"PROTOCOL, the race, 10; {_TRAINER}"
    yield Finding(severity, CURVE, STUCK, measured, "a fall of 1 %", source, "", remedy)


def _raised(trajectory: Trajectory) -> str:
    """What to do about a loss that does not fall: no higher rate, where steps are large as they are."""
    columns = trajectory.kernels()
    rows = trajectory.updates[len(trajectory.updates) // 10 :][:, columns] if columns and trajectory.updates.ndim > 1 else np.empty(0)
    known = rows[np.isfinite(rows)]
    stride = float(np.median(known)) if known.size else 0.0
    if stride > STRIDE:
        return f"No higher rate: a step changes {stride:.2g} of the weights, which is enough. See the findings of the other rungs."
    return "Raise the rate; if `ravine range-test` finds no descent either, see the findings of the lower rungs."


def _spikes(trajectory: Trajectory, ends: tuple[float, float], logged: np.ndarray | None) -> Iterator[Finding]:
    losses, steps = trajectory.losses, curves.spikes(trajectory.losses).tolist()
    if not steps:
        return
    high = [step for step in steps if _undoes(losses, step, *ends)]
    is_high, worst = bool(high), max(high or steps, key=lambda step: float(losses[step]))
    measured = f"{len(steps)} spike{'s' if len(steps) > 1 else ''}, the largest to {losses[worst]:.4g}"
    remedy = "Warm up, clip gradients, or lower the rate; look at the rows of that batch." if is_high else "Nothing, while it recovers."
    severity: Severity = "warning" if is_high else "information"
    number = worst + 1 if logged is None else int(logged[worst])
    threshold, where = "2 times the mean of 100, or 6 sd over 128", f"step {number:,}"
    yield Finding(severity, CURVE, "the loss spikes", measured, threshold, _FOUNDRY, where, remedy)


def _undoes(losses: np.ndarray, step: int, first: float, last: float) -> bool:
    """Whether a spike undoes a share of the fall, for some steps, or in a single one above the first loss; else it is a hard batch."""
    before, after, peak = float(losses[max(0, step - 10) : step].mean()), losses[step : step + AFTER], float(losses[step])
    has_fallen = first - last > FLAT * abs(first)
    limit = before + HIGH_SPIKE * (first - last if has_fallen else abs(before))
    lasting = float(np.median(after)) if len(after) > AFTER // 2 else before
    return lasting > limit or peak > max(limit, first)


def _swings(trajectory: Trajectory) -> Iterator[Finding]:
    share = curves.swings(trajectory.evaluations.get("train", np.empty(0)))
    if share >= SWINGING:
        measured = f"{share:.0%} of the evaluations of fixed rows stand above both neighbours"
        remedy = "Lower the rate, or let it decay."
        yield Finding("warning", CURVE, "the loss oscillates", measured, f"{SWINGING:.0%}", _TRAINER, "", remedy)


def _turned(trajectory: Trajectory, higher_is_better: Mapping[str, bool]) -> Iterator[Finding]:
    losses = trajectory.evaluations.get("loss", np.empty(0))
    if len(losses) < 4 or not losses.min() > 0 or curves.turn_up(losses) <= TURNED:
        return
    # A validation loss that rises beside a metric that improves is a model that grows sure of itself, not an overfit one.
    if not any(
        _worsened(trajectory.evaluations[name], is_up) for name, is_up in higher_is_better.items() if name in trajectory.evaluations
    ):
        return
    measured = f"{curves.turn_up(losses):.0%} above its best, at step {int(trajectory.evaluated[int(losses.argmin())]):,}"
    remedy = "Stop there, or regularise: weight decay, dropout, augmentation, more data."
    yield Finding("warning", CURVE, "validation turns up, and the metric with it", measured, f"{TURNED:.0%}", _PRECHELT, "", remedy)


def _worsened(values: np.ndarray, is_up: bool) -> bool:
    best = values.max() if is_up else values.min()
    late = values[-curves.LASTING :]
    lost = (best - late.max()) if is_up else (late.min() - best)
    return bool(lost > WORSENED * max(abs(best), 1e-12))


def disagreement(trajectory: Trajectory, higher_is_better: Mapping[str, bool], ranked: str) -> Iterator[Finding]:
    """Metrics that end no better than they began, while the loss of the very same rows fell.

    Args:
        trajectory: of the training.
        higher_is_better: of every metric.
        ranked: the metric that ranks; "loss" where none does.
    """
    losses = trajectory.evaluations.get("loss", np.empty(0))
    if len(losses) < 4 or not losses[-1] < losses[0] - AGREED * abs(losses[0]):
        return
    for name, is_up in higher_is_better.items():
        values = trajectory.evaluations.get(name, np.full(len(losses), np.nan))
        first, late = float(values[0]), float(values[len(values) // 2 :].mean())
        if not (late < first if is_up else late > first):
            continue
        severity: Severity = "warning" if name == ranked or len(higher_is_better) == 1 else "information"
        better = "higher" if is_up else "lower"
        measured = f"loss {losses[0]:.4g} to {losses[-1]:.4g} on validation; {name} ({better} is better) {first:.4g}, later {late:.4g}"
        remedy = (
            "Look for a sign or a numbering of the labels that the loss has the other way round than the metric "
            "(1 for the same, or for different); where lower is better, say so: ravine.metrics.lower_is_better(metric)."
        )
        yield Finding(severity, CURVE, DISAGREES, measured, "both get better", "", name, remedy)
