"""A curve from any tool, read by the rules of the rung `curve`."""

from collections.abc import Iterator, Mapping

import numpy as np

from ravine.doctor import checks_curve, curves
from ravine.doctor.outcome import Outcome, judged, unknown
from ravine.doctor.short_run import Trajectory
from ravine.records.findings import Diagnosis, Finding
from ravine.records.run_curves import CurveReading, Mark, RunCurve, Series

FEWEST = 20
"""Losses below which the rules mean nothing."""


def read(curve: RunCurve, *, baseline: float | None = None) -> CurveReading:
    """Apply every rule to a run.

    Args:
        curve: of a run that need not have been ravine's.
        baseline: loss of the best constant output, where it is known.
    """
    losses = curve.losses
    finite = np.isfinite(losses.values)
    end = len(finite) if finite.all() else int(np.argmin(finite))
    outcome, known = _judged(curve, end, baseline), tuple(_of_log(curve))
    broken = [_broken(losses, end)] if end < len(finite) else []
    findings = (*broken, *outcome.findings, *known)
    rung = judged(checks_curve.CURVE, outcome.rung.measured, findings).rung if findings else outcome.rung
    columns = {"loss": losses.name} | {("val_loss" if role == "loss" else role): one.name for role, one in curve.evaluations.items()}
    facts = {"name": curve.name, "log": curve.kind, "columns": columns, "values": len(losses.steps)}
    return CurveReading(curve, Diagnosis(facts, findings, (rung,)), tuple(_marks(curve, end)))


def _judged(curve: RunCurve, end: int, baseline: float | None) -> Outcome:
    losses = curve.losses
    if end < FEWEST:
        return unknown(
            checks_curve.CURVE,
            f"{end} losses{' before the first that is not finite' if end < len(losses.values) else ''}; the rules need {FEWEST}",
        )
    validation = curve.evaluations.get("loss")
    evaluated = np.empty(0) if validation is None else validation.steps
    values = {role: _at(one, evaluated) for role, one in curve.evaluations.items()}
    rows = np.empty((0, 0))
    trajectory = Trajectory((), {}, losses.values[:end], rows, rows, float("nan"), evaluated.astype(np.int64), values)
    outcome = checks_curve.curve(
        trajectory, baseline, higher_is_better={"accuracy": True}, is_whole=end == len(losses.values), logged=losses.steps[:end]
    )
    turned = _turned_alone(values)
    return outcome if turned is None else judged(checks_curve.CURVE, outcome.rung.measured, [*outcome.findings, turned])


def _at(one: Series, steps: np.ndarray) -> np.ndarray:
    """Values at the steps of the validation loss, each the last before it."""
    if not len(one.steps) or not len(steps):
        return np.empty(0)
    places = np.clip(np.searchsorted(one.steps, steps, side="right") - 1, 0, len(one.steps) - 1)
    return one.values[places]


def _turned_alone(values: Mapping[str, np.ndarray]) -> Finding | None:
    """A validation loss that turns up where no metric says whether that matters."""
    losses = values.get("loss", np.empty(0))
    if "accuracy" in values or len(losses) < 4 or not np.isfinite(losses).all() or not losses.min() > 0:
        return None
    rise = curves.turn_up(losses)
    if rise <= checks_curve.TURNED:
        return None
    remedy = "Look at a metric, too: one that still improves says that the model grows sure of itself; one that worsens, that it overfits."
    measured, threshold = f"{rise:.0%} above its best", f"{checks_curve.TURNED:.0%}"
    return Finding("information", checks_curve.CURVE, "the validation loss turns up", measured, threshold, "Prechelt (1998)", "", remedy)


def _broken(losses: Series, end: int) -> Finding:
    values = losses.values
    count = int((~np.isfinite(values)).sum())
    measured = f"{values[end]:g} at step {int(losses.steps[end]):,}; {count:,} of {len(values):,} values are not finite"
    remedy = "Run the task again under `ravine doctor TASK`, or with ravine.watch, to see where; lower the rate, warm up, clip gradients."
    where = f"step {int(losses.steps[end]):,}"
    return Finding("error", checks_curve.CURVE, "the loss is not finite", measured, "finite at every step", "IEEE 754", where, remedy)


def _of_log(curve: RunCurve) -> Iterator[Finding]:
    """What is odd about the log itself."""
    losses = curve.losses
    if losses.returns:
        steps = ", ".join(f"{step:,}" for step in losses.returns)
        measured = f"the log goes back to step {steps}; {losses.replaced:,} values that it wrote again took the place of the old ones"
        yield _remark("the run was resumed", measured, f"step {steps}", "Nothing, if it was; else the file holds two runs: split it.")
    if losses.gaps:
        before, after = max(losses.gaps, key=lambda gap: gap[1] - gap[0])
        more = f"; {len(losses.gaps)} gaps in all" if len(losses.gaps) > 1 else ""
        measured = f"no loss between step {before:,} and step {after:,}{more}"
        yield _remark(
            "losses are missing", measured, f"step {before:,}", "Nothing, if they were not logged there; the rules cannot see them."
        )


def _remark(title: str, measured: str, where: str, remedy: str) -> Finding:
    return Finding("information", checks_curve.CURVE, title, measured, "steps that rise evenly", "the log", where, remedy)


def _marks(curve: RunCurve, end: int) -> Iterator[Mark]:
    losses = curve.losses
    if end < len(losses.values):
        yield Mark(float(losses.steps[end]), "not finite from here on")
    for step in losses.returns:
        yield Mark(float(step), "resumed")
    for before, after in losses.gaps:
        yield Mark(float(before), "no values", until=float(after))
    if end >= FEWEST:
        for place in curves.spikes(losses.values[:end]):
            yield Mark(float(losses.steps[place]), "spike", float(losses.values[place]))
    validation = curve.evaluations.get("loss")
    if validation is not None and len(validation.values) >= 4 and np.isfinite(validation.values).all() and validation.values.min() > 0:
        best = int(validation.values.argmin())
        if curves.turn_up(validation.values) > checks_curve.TURNED:
            yield Mark(float(validation.steps[best]), "validation is best here")
