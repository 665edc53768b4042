"""What a user brings to a race, and the built-in tasks."""

from ravine.tasks import metrics
from ravine.tasks._task import Sources, Task
from ravine.tasks.loading import load
from ravine.tasks.objective import Objective
from ravine.tasks.registry import REGISTRY, Builtin, Option, create, names
from ravine.tasks.splits import Splits, split_validation

__all__ = [
    "REGISTRY",
    "Builtin",
    "Objective",
    "Option",
    "Sources",
    "Splits",
    "Task",
    "create",
    "load",
    "metrics",
    "names",
    "split_validation",
]
