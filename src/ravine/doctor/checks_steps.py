"""What a loop gives to its steps, and what it does after them that should come before."""

import math
from collections.abc import Iterator

import numpy as np

from ravine.doctor.loop_log import LoopLog
from ravine.doctor.structure import few
from ravine.records.findings import Finding

LOADING = "loading"
LATE, SAME_ROWS = "gradients are changed after the step", "every step sees the same inputs"
TWICE = 2
"""Looks at which gradients must have been changed."""
SHRUNK = 0.99
"""Share of a gradient's norm from which on it is what it was."""
LOOKS = 3
"""Looks at which inputs must be the same, bit for bit."""
ABOVE = 0.25
"""Share of the training's fall that validation must lack once, to be far above it."""
_GUIDE = "PyTorch documentation, {}"


def steps(log: LoopLog) -> Iterator[Finding]:
    """What is wrong with them.

    Args:
        log: of the run so far.
    """
    yield from _late(log)
    yield from _same(log)


def _late(log: LoopLog) -> Iterator[Finding]:
    """Gradients that a step has used are made smaller before the next: never larger, as those of a second backward pass are."""
    changed = []
    for look in log.looks:
        left = {place: share for place, share in enumerate(look.measured.left) if math.isfinite(share)}
        if left and 0 < min(left.values()) < SHRUNK and max(left.values()) < 2 - SHRUNK:
            changed.append((look.step, left))
    if len(changed) < TWICE:
        return
    step, left = changed[-1]
    names = [log.names[place] for place, share in left.items() if share < SHRUNK]
    measured = f"at {len(changed)} of {len(log.looks)} looks; at the last {min(left.values()):.2g} of their norm was left"
    remedy = "Clip between backward() and step(): loss.backward(); torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0); "
    remedy += "optimizer.step(). After the step it does nothing."
    where = f"{few(names)}, step {step + 1:,}"
    yield Finding("error", LOADING, LATE, measured, "as the step used them", _GUIDE.format("torch.nn.utils.clip_grad_norm_"), where, remedy)


def _same(log: LoopLog) -> Iterator[Finding]:
    marks = [look.batch for look in log.looks if look.batch is not None]
    seen = [values["loss"] for _, values in log.validations if math.isfinite(values.get("loss", math.nan))]
    if len(marks) < LOOKS or len(set(marks)) > 1 or not seen or log.broken is not None:
        return
    start, end = float(np.mean(log.losses[:3])), float(np.mean(log.losses[-max(1, len(log.losses) // 10) :]))
    if not end <= start / 2 or not min(seen) > end + ABOVE * (start - end):
        return
    rows = log.looks[-1].rows
    measured = f"the same numbers at all {len(marks)} looks{f', {rows:,} rows' if rows else ''}; training fell from {start:.4g} "
    measured += f"to {end:.4g}, validation to {min(seen):.4g} at best"
    remedy = "Iterate over the loader: for batch in loader; next(iter(loader)) begins anew each time, and gives the first batch. "
    remedy += "If these are all rows that there are, it takes more of them."
    source = _GUIDE.format("torch.utils.data")
    yield Finding("warning", LOADING, SAME_ROWS, measured, f"other inputs within {LOOKS} looks", source, "the loop", remedy)
