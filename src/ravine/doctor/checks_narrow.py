"""Weights kept in half precision, whose small updates are lost where they are added."""

from collections.abc import Iterator, Sequence

import numpy as np

from ravine.doctor import checks_curve
from ravine.doctor.loop_log import FEW_LOOKS, LoopLog
from ravine.doctor.structure import few
from ravine.records.findings import Finding, Severity

ROUNDED = "updates are lost in rounding"
PRECISION = "precision"
MOST = 0.5
"""Share of a matrix's numbers with a gradient that a step may leave as they were, bit for bit."""
ARRIVED = 0.5
"""Share of the first loss below which steps may well be small."""
_SOURCE = "Zamirai et al. (2020), Revisiting BFloat16 training, arXiv:2010.06192"


def rounded(log: LoopLog) -> Iterator[Finding]:
    """Matrices of which most numbers stay the same though they have a gradient; at half the highest rate or more, as for all updates.

    Args:
        log: of the run so far.
    """
    trajectory = log.trajectory()
    shares = [look.measured.unmoved for look in log.looks if look.measured.unmoved and look.lr >= trajectory.rate / 2]
    if len(shares) < FEW_LOOKS:
        return
    medians = _medians(np.array(shares), trajectory.kernels())
    lost = {log.names[column]: share for column, share in medians.items() if share > MOST}
    if not lost:
        return
    severity: Severity = "information" if checks_curve.end(trajectory) < ARRIVED * trajectory.losses[0] else "warning"
    measured = f"{max(lost.values()):.0%} of the numbers with a gradient stay the same, bit for bit, in the median of {len(shares)} steps"
    remedy = "Keep the weights in float32 and compute under torch.autocast; or "
    remedy += 'ravine.optim.AdamW(model.parameters(), lr=lr, weights="master"), or any other of ravine.optim so.'
    yield Finding(severity, PRECISION, ROUNDED, measured, f"{MOST:.0%}", _SOURCE, few(lost), remedy)


def _medians(shares: np.ndarray, columns: Sequence[int]) -> dict[int, float]:
    """Of the columns that were measured at all."""
    return {column: float(np.nanmedian(shares[:, column])) for column in columns if np.isfinite(shares[:, column]).any()}
