"""What values a loss or a metric can take at all, where that is known: an interval need not reach beyond."""

import math

from torch import nn
from torch.nn import functional

from ravine.tasks import metrics
from ravine.tasks._task import Task

ANYTHING = (-math.inf, math.inf)

_SHARES = (metrics.accuracy,)
_NEVER_NEGATIVE = (
    *(functional.cross_entropy, functional.binary_cross_entropy_with_logits, functional.binary_cross_entropy),
    *(functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss, functional.huber_loss),
    *(metrics.bits_per_symbol, metrics.mean_squared_error, metrics.mean_absolute_error),
)
_NEVER_NEGATIVE_MODULES = (
    *(nn.CrossEntropyLoss, nn.BCEWithLogitsLoss, nn.BCELoss),
    *(nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss),
)


def bounds_of(task: Task, metric: str) -> tuple[float, float]:
    """The least and the largest value that a metric can have; infinite where nothing is known, e.g. for the user's own function.

    Args:
        task: whose metric.
        metric: "loss" or one of the task's.
    """
    function = task.loss if metric == "loss" else task.metrics[metric]
    if function in _SHARES:
        return 0.0, 1.0
    is_bounded = function in _NEVER_NEGATIVE or type(function) in _NEVER_NEGATIVE_MODULES or getattr(function, "is_cross_entropy", False)
    return (0.0, math.inf) if is_bounded else ANYTHING
