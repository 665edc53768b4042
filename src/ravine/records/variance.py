"""Where a spread comes from: how much of it lies between groups of runs, and how much inside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Components:
    """Variance components of runs in groups, such as the seeds of several studies.

    Attributes:
        between: standard deviation of what the runs of a group have in common.
        within: standard deviation of a run around its group; None where no group has two.
        share: part of a single run's variance that its group accounts for, from 0 to 1; None where there is no variance, or none inside.
    """

    between: float | None
    within: float | None
    share: float | None


def variance_components(groups: Sequence[np.ndarray]) -> Components:
    """Components of a one-way random-effects analysis of variance, estimated by the method of moments.

        between^2 = max(0, (MSB - MSW) / n0),    n0 = (N - sum n_i^2 / N) / (k - 1)

    Two or three groups tell little of the spread between them: read `between` as an order of magnitude.

    Args:
        groups: finite values, at least one each; fewer than two groups have no spread between them.

    References:
        Searle, Casella and McCulloch (1992), Variance Components, section 3.6: unbalanced data, the ANOVA estimators.
    """
    sizes = np.array([group.size for group in groups], dtype=np.float64)
    total, number = float(sizes.sum()), len(groups)
    if number < 2:
        return Components(None, float(groups[0].std(ddof=1)) if groups and groups[0].size > 1 else None, None)
    means = np.array([group.mean() for group in groups])
    around = float(np.sum(sizes * (means - np.sum(sizes * means) / total) ** 2)) / (number - 1)
    if total == number:
        return Components(around**0.5, None, None)
    inside = sum(float(np.sum((group - group.mean()) ** 2)) for group in groups) / (total - number)
    effective = (total - float(np.sum(sizes**2)) / total) / (number - 1)
    between = max(0.0, (around - inside) / effective)
    whole = between + inside
    return Components(between**0.5, inside**0.5, between / whole if whole > 0 else None)
