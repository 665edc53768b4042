"""Rungs that look inside: gradients, updates, units and activations, from the arrays of any training."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ravine.doctor.curves import spikes
from ravine.doctor.operations import Unit
from ravine.doctor.outcome import Outcome, judged, unknown
from ravine.doctor.probe import Activation, Reading
from ravine.doctor.short_run import Trajectory
from ravine.doctor.signals import drift, first_to_last, worst_over_median
from ravine.doctor.structure import few
from ravine.records.findings import Finding, Severity

GRADIENTS, UPDATES, UNITS, ACTIVATIONS = "gradients", "update-to-weight", "dead units", "activations"
SLOW = "weights hardly move"

VANISHING, TINY = 1e-3, 1e-4
"""First layer's gradient norm over the last's, and the first's own: vanishing below both."""
EARLY = 4
"""The first of so many parts of the layers must all be without gradient where gradients vanish."""
EXPLODING = 70.0
SPIKY = 4.0
"""Largest norm over the median of those before it."""
UPDATE_LOW, UPDATE_HIGH = 1e-4, 5e-2
MANY_DEAD, MOST_DEAD = 0.25, 0.40
CHANCE = 0.01
"""Share of healthy models with a layer that is called dead by mere chance."""
LARGE_ACTIVATIONS = "activations are large"
LARGE = 10.0
"""Mean absolute activation."""
DRIFT = 1e6
"""Variance over inputs of the last hidden layer relative to the first's, either way."""
_TRAINER = "AutoTrainer (Zhang et al., ICSE 2021)"
_CS231N = "Stanford CS231n, Neural networks part 3"


def gradients(trajectory: Trajectory) -> Outcome:
    """Vanishing, exploding, spiky and non-finite gradients."""
    if trajectory.broken is not None:
        remedy = "Look at the named place for log(0), 0/0, sqrt(0) or an overflow; lower the rate, clip gradients, or add eps."
        step = trajectory.broken + 1
        measured, where = f"step {step:,}: loss {trajectory.losses[-1]:.4g}", f"{trajectory.place or 'the weights'}, step {step:,}"
        title = "a loss or gradient is not finite"
        broken = Finding("error", GRADIENTS, title, measured, "finite at every step", "IEEE 754", where, remedy)
        return judged(GRADIENTS, measured, [broken], stops=f"the training broke at step {step:,}")
    norms = trajectory.gradients
    whole = np.sqrt(np.nansum(norms**2, axis=1))
    worst, place = worst_over_median(whole)
    columns = trajectory.kernels()
    with np.errstate(all="ignore"):
        medians = [float(np.nanmedian(norms[:, column])) if np.isfinite(norms[:, column]).any() else float("nan") for column in columns]
    known = [(trajectory.names[column], value) for column, value in zip(columns, medians, strict=True) if np.isfinite(value)]
    measured = f"norm {float(np.median(whole)):.3g}, at most {max(worst, 1.0):.3g} times the median before it"
    found = list(_through_depth(known)) if len(known) > 1 else []
    if len(known) > 1:
        measured = f"{measured}; first layer over last {first_to_last([value for _, value in known]):.3g}"
    if worst > SPIKY:
        found.append(_spiky(worst, place if trajectory.steps is None else int(trajectory.steps[place]), trajectory))
    return judged(GRADIENTS, measured, found)


def _through_depth(known: Sequence[tuple[str, float]]) -> Iterator[Finding]:
    (first, low), (last, high) = known[0], known[-1]
    ratio = first_to_last([value for _, value in known])
    measured = f"norm {low:.3g} at {first}, {high:.3g} at {last}: ratio {ratio:.3g}"
    # One early matrix may get little for what it is, as queries and keys do; what vanishes with depth is gone from all of its neighbours.
    most = max(value for _, value in known[: max(1, len(known) // EARLY)])
    if first_to_last([most, high]) < VANISHING and most < TINY:
        remedy = "Use ReLU-like functions with He initialisation, normalisation layers, or residual connections."
        threshold = f"a ratio of {VANISHING:g} or a first norm of {TINY:g}"
        yield Finding("error", GRADIENTS, "gradients vanish on the way to the first layer", measured, threshold, _TRAINER, first, remedy)
    if ratio > EXPLODING and high > 0:
        remedy = "Normalise, start with smaller weights, or clip: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
        yield Finding("warning", GRADIENTS, "gradients grow towards the first layer", measured, f"{EXPLODING:g}", _TRAINER, first, remedy)


def _spiky(worst: float, place: int, trajectory: Trajectory) -> Finding:
    """A high norm alone is a hard batch; with a jump of the loss right after, it is a step that went too far."""
    jumps = spikes(trajectory.losses)
    is_followed = bool(((jumps >= place) & (jumps <= place + 5)).any()) and float(trajectory.losses[place : place + 6].max()) > float(
        trajectory.losses[: max(place, 1)].mean()
    )
    remedy = "Clip gradients, warm up, or lower the rate." if is_followed else "Nothing, while the loss stays calm."
    severity: Severity = "warning" if is_followed else "information"
    measured = f"{worst:.3g} times the median before it"
    return Finding(severity, GRADIENTS, "single gradients are large", measured, f"{SPIKY:g}", "PROTOCOL", f"step {place + 1:,}", remedy)


def updates(trajectory: Trajectory) -> Outcome:
    """Norm of the update over norm of the weights, of each matrix, once the first tenth of the steps is over."""
    rows = trajectory.updates[len(trajectory.updates) // 10 :]
    # What gets no gradient moves at no rate, and a lower rung says so.
    columns = [column for column in trajectory.kernels() if np.isfinite(rows[:, column]).any() and _is_driven(trajectory, column)]
    if not len(rows) or not columns:
        return unknown(UPDATES, "no matrix was updated")
    medians = {trajectory.names[column]: float(np.nanmedian(rows[:, column])) for column in columns}
    low, high = min(medians.values()), max(medians.values())
    found = []
    fast = {name: value for name, value in medians.items() if value > UPDATE_HIGH}
    slow = {name: value for name, value in medians.items() if value < UPDATE_LOW}
    if fast:
        remedy = f"Lower the rate (now {trajectory.rate:.3g}) by about {max(fast.values()) / 1e-3:.2g}, or warm up."
        found.append(_update("warning", "weights are rewritten too fast", fast, f"{UPDATE_HIGH:g}", remedy))
    if slow:
        # A run that has arrived takes small steps; one that has not is too slow.
        has_arrived = trajectory.losses[-1] < 0.5 * trajectory.losses[0]
        remedy = f"Raise the rate (now {trajectory.rate:.3g}), unless the run has converged."
        found.append(_update("information" if has_arrived else "warning", SLOW, slow, f"{UPDATE_LOW:g}", remedy))
    return judged(UPDATES, f"medians from {low:.2g} to {high:.2g} at lr={trajectory.rate:.3g}", found)


def _is_driven(trajectory: Trajectory, column: int) -> bool:
    return bool(np.nan_to_num(trajectory.gradients[:, column]).any())


def _update(severity: Severity, title: str, outside: dict[str, float], threshold: str, remedy: str) -> Finding:
    measured = ", ".join(f"{value:.2g}" for value in list(outside.values())[:3])
    return Finding(severity, UPDATES, title, measured, threshold, f"{_CS231N}; PROTOCOL", few(outside), remedy)


def units(reading: Reading) -> Outcome:
    """Units that are zero, or at a bound, on every input."""
    if not reading.units:
        return judged(UNITS, "no activation function with a flat part was seen")
    dead, saturated = max(unit.dead for unit in reading.units), max(unit.saturated for unit in reading.units)
    measured = f"at most {dead:.0%} dead and {saturated:.0%} saturated in a layer"
    saturated_layers = [unit for unit in reading.units if unit.saturated >= MANY_DEAD and unit.count > 1]
    found = [*_units(dead_layers(reading.units), "dead"), *_units(saturated_layers, "saturated")]
    return judged(UNITS, measured, found)


def dead_layers(seen: Sequence[Unit]) -> list[Unit]:
    """Layers with too many dead units, beyond what chance leaves.

    Where inputs hardly vary, as the means over a picture that a squeeze-and-excitation block is given, a unit of fresh weights is
    either always off or always on, at even odds, and nothing is lost. What is judged is how many more are off.
    """
    allowed = CHANCE / max(1, len(seen))
    return [unit for unit in seen if unit.dead >= MANY_DEAD and unit.count > 1 and (unit.dead == 1.0 or _luck(unit) <= allowed)]


def _luck(unit: Unit) -> float:
    """How likely as many are off, of those that are always off or always on, at even odds."""
    off, fixed = round(unit.dead * unit.count), round((unit.dead + unit.always_on) * unit.count)
    return float(sum(math.comb(fixed, more) for more in range(off, fixed + 1)) / 2**fixed)


def _units(bad: Sequence[Unit], how: str) -> Iterator[Finding]:
    """One finding for all layers, of the severity of the worst."""
    if not bad:
        return
    shares = {unit.place: getattr(unit, how) for unit in bad}
    worst = max(shares.values())
    measured = ", ".join(f"{getattr(unit, how):.0%} of {unit.count}" for unit in bad[:3])
    severity: Severity = "error" if worst >= MOST_DEAD else "warning"
    remedy = (
        "Lower the rate or the bias, use He initialisation or LeakyReLU, and scale the inputs."
        if how == "dead"
        else "Scale the inputs, start with smaller weights, or use ReLU-like functions."
    )
    threshold = f"{MANY_DEAD:.0%} a warning, {MOST_DEAD:.0%} an error"
    yield Finding(
        severity, UNITS, f"units are {how} on every input", measured, threshold, "PROTOCOL; SageMaker Debugger", few(shares), remedy
    )


def activations(reading: Reading) -> Outcome:
    """Size of activations, and whether differences between inputs survive the depth."""
    hidden = [seen for seen in reading.activations if seen.is_kernel][:-1]
    inner = list(reading.activations)[:-1]
    largest = max(inner, key=lambda seen: seen.mean_abs, default=None)
    ratio = drift([seen.variance for seen in hidden])
    found = [_large(largest)] if largest is not None and largest.mean_abs >= LARGE else []
    if np.isfinite(ratio) and not 1 / DRIFT <= ratio <= DRIFT:
        found.append(_drifting(hidden, ratio))
    if largest is None:
        return judged(ACTIVATIONS, "no hidden layer")
    measured = f"mean absolute value at most {largest.mean_abs:.3g}"
    if np.isfinite(ratio):
        measured = f"{measured}; variance of the last hidden layer {ratio:.2g} times the first's"
    return judged(ACTIVATIONS, measured, found)


def _large(seen: Activation) -> Finding:
    remedy = "Scale the inputs, start with smaller weights, or normalise: nn.LayerNorm or nn.BatchNorm before this layer."
    measured, where = f"mean absolute value {seen.mean_abs:.3g}", f"{seen.name} ({seen.kind})"
    return Finding("warning", ACTIVATIONS, LARGE_ACTIVATIONS, measured, f"{LARGE:g}", _TRAINER, where, remedy)


def _drifting(hidden: Sequence[Activation], ratio: float) -> Finding:
    what = "are lost" if ratio < 1 else "grow"
    measured = f"variance over inputs {hidden[0].variance:.2g} at {hidden[0].name}, {hidden[-1].variance:.2g} at {hidden[-1].name}"
    remedy = "Use He initialisation (nn.init.kaiming_normal_), normalisation layers or residual connections."
    title, source = f"differences between inputs {what} with depth", "Glorot and Bengio (2010); He et al. (2015); decision 0019"
    return Finding("warning", ACTIVATIONS, title, measured, f"{1 / DRIFT:g} to {DRIFT:g}", source, hidden[-1].name, remedy)
