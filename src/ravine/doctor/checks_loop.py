"""What is wrong with a training loop itself, and the rungs of the ladder as far as a loop that is watched shows them."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ravine.doctor import checks_curve, checks_gradients, checks_schedule, curves
from ravine.doctor.checks_average import averages
from ravine.doctor.checks_decay import eaten
from ravine.doctor.checks_narrow import PRECISION, rounded
from ravine.doctor.checks_schedule import FEW_LOSSES
from ravine.doctor.checks_steps import steps
from ravine.doctor.loop_echoes import UNGIVEN, without_echoes
from ravine.doctor.loop_log import FEW_LOOKS, Looked, LoopLog, is_lower_better
from ravine.doctor.outcome import Outcome, judged, skipped, unknown
from ravine.doctor.signals import gradient_noise
from ravine.doctor.structure import few
from ravine.records.findings import Finding, Severity

LOADING, CURVATURE, BATCH = "loading", "curvature", "batch size"
TWICE = 2
"""Looks that must agree before anything is said of the loop."""
SUMMED = 1.5
"""Weight of all rows, which is 1 in a mean."""
SAME = 0.01
"""Difference, relative, within which a loss is the one that a gradient tells of."""
LEFT = 1e-3
"""Share of its gradients that clipping must leave of each."""
OVERFLOWING = 0.1
"""Share of the later steps that a loss scale may skip."""
FOLLOWED = 0.25
"""Share of the fall of the training loss that validation must have made once, when training has halved."""
_GUIDE = "PyTorch documentation, {}"
_TRAINING = "Karpathy (2019), A recipe for training neural networks"
_NOISE = "McCandlish et al. (2018), arXiv:1812.06162"
_EDGE = "Cohen et al. (2021), arXiv:2103.00065"


def judge(log: LoopLog, *, is_whole: bool = False) -> list[Outcome]:
    """Every rung that a loop shows.

    Args:
        log: of the run so far.
        is_whole: whether it has come to its end.
    """
    return without_echoes([_judged(name, log, is_whole) for name in _RUNGS])


def _judged(name: str, log: LoopLog, is_whole: bool) -> Outcome:
    try:
        return _RUNGS[name](log, is_whole)
    except Exception as error:  # whatever cannot be judged must not end the training that is watched
        return unknown(name, f"could not be judged: {type(error).__name__}: {error}")


def loading(log: LoopLog, is_whole: bool = False) -> Outcome:
    """Parameters that are not trained, gradients that do not come or do not go, weights that something else changes."""
    trained = len(log.names) - len(log.strangers)
    return judged(LOADING, f"{trained} of {len(log.names)} parameters belong to the optimizer", _loading(log))


def _loading(log: LoopLog) -> Iterator[Finding]:
    if log.strangers:
        remedy = "Give it model.parameters() of the model as it is trained, or set requires_grad = False where that is meant."
        measured = f"{len(log.strangers)} of {len(log.names)} parameters"
        yield _found("error", UNGIVEN, measured, where=few(log.strangers), remedy=remedy)
    if len(log.strangers) < len(log.names):
        yield from _gradients(log)
    late = log.looks[-TWICE:]
    if len(late) == TWICE and all(look.asleep for look in late):
        remedy = "Call model.train() before each epoch: model.eval() for validation stays until then."
        asleep = late[-1].asleep
        title, measured = "modules are in evaluation mode while training", f"{len(asleep)} module{'s' if len(asleep) > 1 else ''}"
        yield _found("warning", title, measured, where=f"{few(asleep)}, step {late[-1].step + 1:,}", remedy=remedy)
    if len(log.edits) >= TWICE:
        remedy = "Look for assignments to .data, load_state_dict() or in-place edits inside of the loop; leave changes to optimizer.step()."
        measured, where = f"before {len(log.edits)} steps", f"step {log.edits[0] + 1:,}"
        yield _found("warning", "weights change outside of the optimizer", measured, threshold="at most once", where=where, remedy=remedy)
    yield from averages(log)
    yield from steps(log)
    if log.decayed:
        remedy = "optimizer = torch.optim.AdamW(ravine.optim.param_groups(model, weight_decay=0.1), lr=lr)"
        measured = (
            f"{len(log.decayed)} {'parameter of one dimension decays' if len(log.decayed) == 1 else 'parameters of one dimension decay'}"
        )
        yield _found("information", "norms and biases are decayed", f"{measured} with the matrices", where=few(log.decayed), remedy=remedy)


def _gradients(log: LoopLog) -> Iterator[Finding]:
    late = log.looks[-TWICE:]
    if len(late) < TWICE:
        return
    norms = np.nan_to_num(np.array([look.measured.gradients for look in late]))
    if not norms.any() and log.losses[late[-1].step] != 0:
        remedy = "Between backward() and step() nothing may clear gradients, and nothing between the model and the loss may cut them: "
        remedy += "look for zero_grad(), .item(), .detach(), torch.tensor(loss), torch.no_grad()."
        measured, where = "every gradient is None or 0 when the optimizer steps", f"step {late[-1].step + 1:,}"
        yield _found("error", "no gradient reaches the optimizer", measured, threshold="above 0", where=where, remedy=remedy)
        return
    came = [any(column) for column in zip(*(look.measured.has_gradient for look in log.looks), strict=True)]
    idle = [name for name, ever in zip(log.names, came, strict=True) if not ever and name not in log.strangers]
    if idle and len(log.looks) > TWICE:
        remedy = "Use them in forward() (look for .detach(), torch.no_grad() or .data on the way), or delete them."
        yield _found("error", "parameters get no gradient", f"{len(idle)} of {len(log.names)} parameters", where=few(idle), remedy=remedy)
    if all(look.measured.was_zeroed is False for look in late):
        remedy = "Call optimizer.zero_grad() once for each optimizer.step()."
        title, measured = "gradients are not set to zero between steps", "those of the last step are still there when the next come"
        yield _found("error", title, measured, threshold="none or 0", where=f"step {late[-1].step + 1:,}", remedy=remedy)


def gradients(log: LoopLog, is_whole: bool = False) -> Outcome:
    """As in the ladder; and gradients that are summed for a mean, or clipped before their scale is taken off."""
    if log.broken is None and not log.looks:
        return unknown(checks_gradients.GRADIENTS, "no step was looked at")
    found = checks_gradients.gradients(log.trajectory())
    if log.broken is not None:
        return found
    return judged(found.rung.rung, found.rung.measured, [*found.findings, *_sums(log), *_clips(log)])


def _sums(log: LoopLog) -> Iterator[Finding]:
    weights = [(weight, look) for look in log.looks if (weight := _weight(log, look)) is not None]
    above = [(weight, look) for weight, look in weights if weight > SUMMED]
    # What is taken for a mean of squares must be one at every look.
    if len(above) < TWICE or (all(look.measured.weight is None for _, look in above) and len(above) < len(weights)):
        return
    weight, worst = max(above, key=lambda known: known[0])
    measured = f"rows weigh {weight:.3g} in all, of {worst.measured.passes} backward passes"
    remedy = "Divide each loss by the number of backward passes a step: (loss / passes).backward(); and take means, not sums, over rows."
    title, source = "gradients are summed, not averaged", _GUIDE.format("gradient accumulation")
    yield Finding("warning", checks_gradients.GRADIENTS, title, measured, "1", source, f"step {worst.step + 1:,}", remedy)


def _weight(log: LoopLog, look: Looked) -> float | None:
    """Of all rows in the gradient of a step, which is 1 in a mean: of a cross-entropy, or of squares; None of any other loss."""
    parts = look.measured.squares
    if look.measured.weight is not None or len(parts) < TWICE:
        return look.measured.weight
    loss = log.losses[look.step]
    is_whole = any(math.isclose(part, loss, rel_tol=SAME) for part in (float(np.mean(parts)), *parts))
    return float(len(parts)) if is_whole else 0.0


def _clips(log: LoopLog) -> Iterator[Finding]:
    left = [
        (_norm(look.measured.gradients) / look.measured.raw, look.step)
        for look in log.looks
        if look.measured.raw is not None and 0 < look.measured.raw < float("inf") and any(look.measured.has_gradient)
    ]
    if len(left) < TWICE or any(not 0 < share < LEFT for share, _ in left[-FEW_LOOKS:]):
        return
    share, step = max(left)
    remedy = "Take the scale off before clipping: scaler.unscale_(optimizer); torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
    title, measured = "clipping leaves next to nothing of the gradients", f"at most {share:.2g} of their norm"
    source = _GUIDE.format("automatic mixed precision")
    yield Finding("warning", checks_gradients.GRADIENTS, title, measured, f"{LEFT:g}", source, f"step {step + 1:,}", remedy)


def _norm(values: Sequence[float]) -> float:
    return float(np.sqrt(np.nansum(np.square(values))))


def updates(log: LoopLog, is_whole: bool = False) -> Outcome:
    """As in the ladder, once the rate no longer rises."""
    if log.broken is not None:
        return skipped(checks_gradients.UPDATES, f"the training broke at step {log.broken + 1:,}")
    if log.is_rising or len(log.looks) < FEW_LOOKS or len(log.losses) < FEW_LOSSES:
        return unknown(
            checks_gradients.UPDATES, "the rate is still rising" if log.is_rising else "too few steps, and the first are the largest"
        )
    found = checks_gradients.updates(log.trajectory())
    more = list(eaten(log))
    return judged(found.rung.rung, found.rung.measured, [*more, *found.findings]) if more else found


def units(log: LoopLog, is_whole: bool = False) -> Outcome:
    """As in the ladder, over as many rows."""
    return checks_gradients.units(log.reading())


def activations(log: LoopLog, is_whole: bool = False) -> Outcome:
    """As in the ladder, of the last look."""
    if not log.reading().activations:
        return unknown(checks_gradients.ACTIVATIONS, "no module's output was seen")
    return checks_gradients.activations(log.reading())


def curve(log: LoopLog, is_whole: bool = False) -> Outcome:
    """As in the ladder; and validation that never follows."""
    if log.broken is not None:
        return skipped(checks_curve.CURVE, f"the training broke at step {log.broken + 1:,}")
    if len(log.losses) < FEW_LOSSES or (log.is_rising and not is_whole):
        return unknown(checks_curve.CURVE, f"{len(log.losses)} steps" + ("; the rate is still rising" if log.is_rising else ""))
    trajectory = log.trajectory()
    directions = {name: not is_lower_better(name) for name in trajectory.evaluations if name != "loss"}
    found = checks_curve.curve(trajectory, _baseline(log), higher_is_better=directions, is_whole=is_whole)
    return judged(checks_curve.CURVE, found.rung.measured, [*found.findings, *_unfollowed(trajectory.losses, trajectory.evaluations)])


def _baseline(log: LoopLog) -> float | None:
    """What a constant output loses, where the gradients say that the loss is a cross-entropy."""
    if log.classes is None:
        return None
    equal = math.log(log.classes)
    # A run that begins far below it goes on from a checkpoint, and one in between may stand at the share of its classes.
    begins = float(np.mean(log.losses[: max(1, len(log.losses) // 10)]))
    return equal if begins >= (1 - checks_curve.FLAT) * equal or begins < equal / 2 else None


def _unfollowed(losses: np.ndarray, evaluations: dict[str, np.ndarray]) -> Iterator[Finding]:
    seen = evaluations.get("loss", np.empty(0))
    start, end = float(losses[:3].mean()), float(losses[-max(1, len(losses) // 10) :].mean())
    if len(seen) <= curves.LASTING or not end <= start / 2 or not seen.min() > start - FOLLOWED * (start - end):
        return
    measured = f"training fell from {start:.4g} to {end:.4g}; validation at best {seen.min():.4g} in {len(seen)} evaluations"
    remedy = "Are both prepared alike? Call model.eval() for validation and model.train() after it; statistics of averaged weights: "
    remedy += "torch.optim.swa_utils.update_bn(loader, averaged); watch.validation(model=averaged, ...) looks at them."
    title, source = "validation does not follow training", "Google's tuning playbook"
    yield Finding("warning", checks_curve.CURVE, title, measured, f"{FOLLOWED:.0%} of the fall", source, "", remedy)


def precision(log: LoopLog, is_whole: bool = False) -> Outcome:
    """The history of the loss scale."""
    history = " to ".join(f"{scale:,.6g}" for _, scale in [*log.scales[:1], *log.scales[-1:]])
    measured = f"loss scale {history}; {len(log.skipped)} steps skipped" if log.has_scaler else "no loss scale was handed in"
    return judged(PRECISION, measured, [*_scaling(log, measured), *rounded(log)])


def _scaling(log: LoopLog, measured: str) -> Iterator[Finding]:
    source = _GUIDE.format("automatic mixed precision")
    if log.half and not log.has_scaler and len(log.losses) >= TWICE:
        remedy = "scaler = torch.amp.GradScaler(); ... watch.step(loss, scaler=scaler); or compute in bfloat16."
        threshold = "one in float16, whose numbers end at 6e-8"
        yield Finding("warning", PRECISION, "no loss scale in float16", measured, threshold, source, "", remedy)
    half = len(log.losses) // 2
    late = sum(step >= half for step in log.skipped)
    if len(log.losses) >= FEW_LOSSES and late > OVERFLOWING * (len(log.losses) - half):
        remedy = "Look for the operation that overflows: compute it in float32 under torch.autocast(enabled=False), or use bfloat16."
        title, where = "steps are skipped for overflow", f"step {log.skipped[-1] + 1:,}"
        yield Finding("warning", PRECISION, title, measured, f"{OVERFLOWING:.0%} of the later half", source, where, remedy)


def curvature(log: LoopLog, is_whole: bool = False) -> Outcome:
    """The largest eigenvalue of the Hessian, where it was asked for."""
    if not log.curvatures:
        return unknown(CURVATURE, "not asked for: ravine.watch(..., curvature=lambda: criterion(model(batch), target))")
    step, start, lr, momentum = log.curvatures[0]
    measured = f"lambda_max {start:.3g} at step {step + 1:,}, {log.curvatures[-1][1]:.3g} at step {log.curvatures[-1][0] + 1:,}"
    limit = math.inf if momentum is None or not lr else 2 * (1 + momentum) / lr
    if step or start <= limit:
        return judged(CURVATURE, measured)
    remedy = f"Warm up over the first steps, or use lr={2 * (1 + (momentum or 0.0)) / start:.1g} or less."
    title, threshold = "the loss begins steeper than the rate can follow", f"2 (1 + momentum) / lr = {limit:.3g}"
    return judged(CURVATURE, measured, [Finding("warning", CURVATURE, title, measured, threshold, _EDGE, "the first step", remedy)])


def batch_size(log: LoopLog, is_whole: bool = False) -> Outcome:
    """The gradient noise scale, from the backward passes of a step or from the processes of a group."""
    seen = [(look.measured.passes * log.distributed, look.rows, look.measured) for look in log.looks]
    known = [(parts, rows, one) for parts, rows, one in seen if one.small is not None and one.big is not None and one.was_zeroed]
    known = [row for row in known if parts_are_finite(row[2].small, row[2].big)]
    if len(known) < FEW_LOOKS:
        return unknown(BATCH, "needs steps of several backward passes, or several processes")
    (parts, rows), _ = Counter((parts, rows) for parts, rows, _ in known).most_common(1)[0]
    alike = [one for count, size, one in known if (count, size) == (parts, rows)]
    noise = gradient_noise([one.small or 0.0 for one in alike], [one.big or 0.0 for one in alike], small_batch=1, big_batch=parts)
    if noise.scale is None or noise.scale <= 0:
        return unknown(BATCH, "the noise scale drowns in noise")
    scale, what = (noise.scale, "backward passes") if rows is None else (noise.scale * rows, "rows")
    measured = f"{parts if rows is None else parts * rows} {what} a step; gradient noise scale {scale:.3g}"
    remedy = "Batches well below it are cheapest in data, well above it they save no steps."
    where = f"{len(alike)} steps up to {len(log.losses):,}"
    return judged(BATCH, measured, [Finding("information", BATCH, "the gradient noise scale", measured, "none", _NOISE, where, remedy)])


def parts_are_finite(small: float | None, big: float | None) -> bool:
    """Whether both squared norms are numbers."""
    return small is not None and big is not None and math.isfinite(small) and math.isfinite(big)


def _found(severity: Severity, title: str, measured: str, *, threshold: str = "none", where: str, remedy: str) -> Finding:
    return Finding(severity, LOADING, title, measured, threshold, _TRAINING, where, remedy)


_RUNGS: dict[str, Callable[[LoopLog, bool], Outcome]] = {
    LOADING: loading,
    checks_schedule.RATE: checks_schedule.rate,
    checks_gradients.GRADIENTS: gradients,
    checks_gradients.UPDATES: updates,
    checks_gradients.UNITS: units,
    checks_gradients.ACTIVATIONS: activations,
    checks_curve.CURVE: curve,
    PRECISION: precision,
    CURVATURE: curvature,
    BATCH: batch_size,
}
