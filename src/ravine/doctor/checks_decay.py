"""Weight decay that takes more of the weights than gradients give them."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ravine.doctor import checks_curve
from ravine.doctor.checks_gradients import UPDATES
from ravine.doctor.loop_log import FEW_LOOKS, LoopLog
from ravine.doctor.structure import few
from ravine.records.findings import Finding

EATEN = "weight decay eats the weights"
GONE = 0.1
"""Share of its first norm that a matrix falls below."""
MOST = 0.5
"""Share of the matrices that decay."""
ARRIVED = 0.5
"""Share of the first loss below which weights may well be small."""
_SOURCE = "Loshchilov and Hutter (2019), Decoupled weight decay regularization, arXiv:1711.05101"


def eaten(log: LoopLog) -> Iterator[Finding]:
    """Matrices in groups that decay of which next to nothing is left, in a run that has not learnt.

    Args:
        log: of the run so far.
    """
    trajectory = log.trajectory()
    looks = [look for look in log.looks if look.measured.sizes]
    columns = [column for column in trajectory.kernels() if log.names[column] in log.decays]
    if len(looks) < FEW_LOOKS or not columns or checks_curve.end(trajectory) < ARRIVED * trajectory.losses[0]:
        return
    sizes = np.array([look.measured.sizes for look in looks])
    with np.errstate(all="ignore"):
        shares = {column: float(sizes[-1, column] / sizes[0, column]) for column in columns}
    gone = {column: share for column, share in shares.items() if share < GONE}
    if len(gone) <= MOST * len(columns):
        return
    worst = min(gone, key=lambda column: gone[column])
    decay = log.decays[log.names[worst]]
    measured = f"{len(gone)} of {len(columns)} matrices that decay fell below {GONE:.0%} of their norm, to {gone[worst]:.2g} at least"
    pull = _pull(sizes[:, worst], [look.measured.gradients[worst] for look in looks], decay.strength)
    if decay.is_scaled and math.isfinite(pull):
        measured += f"; weight_decay={decay.strength:g} times the weights was {pull:.2g} times the gradient at most"
    remedy = f"Take less decay than weight_decay={decay.strength:g}."
    if decay.is_scaled:
        remedy = f"Use torch.optim.AdamW, or less decay: in {decay.optimizer} it is divided by its own size, as gradients are."
    where = few([log.names[column] for column in gone])
    yield Finding("warning", UPDATES, EATEN, measured, f"above {GONE:.0%} in half of them", _SOURCE, where, remedy)


def _pull(sizes: np.ndarray, gradients: Sequence[float], strength: float) -> float:
    """Largest ratio of decay to the gradient of the loss."""
    with np.errstate(all="ignore"):
        ratios = strength * sizes / np.array(gradients)
    return float(ratios[np.isfinite(ratios)].max()) if np.isfinite(ratios).any() else math.nan
