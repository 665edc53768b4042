"""ravine: race optimisers on your own model, and find out why a run is not learning.

Names load on first use, so that `import ravine` costs milliseconds and loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ravine._version import __version__

if TYPE_CHECKING:
    from ravine import lessons, optim, schedules, surfaces
    from ravine._api import Result, open_record, race
    from ravine._diagnose import diagnose, range_test
    from ravine._studies import Studies, studies
    from ravine._train import train
    from ravine.doctor.watch import Watch as watch
    from ravine.tasks import Task, metrics

_WHERE = {
    "Result": ("ravine._api", "Result"),
    "Studies": ("ravine._studies", "Studies"),
    "Task": ("ravine.tasks", "Task"),
    "diagnose": ("ravine._diagnose", "diagnose"),
    "lessons": ("ravine.lessons", None),
    "metrics": ("ravine.tasks.metrics", None),
    "open_record": ("ravine._api", "open_record"),
    "optim": ("ravine.optim", None),
    "race": ("ravine._api", "race"),
    "range_test": ("ravine._diagnose", "range_test"),
    "schedules": ("ravine.schedules", None),
    "studies": ("ravine._studies", "studies"),
    "surfaces": ("ravine.surfaces", None),
    "train": ("ravine._train", "train"),
    "watch": ("ravine.doctor.watch", "Watch"),
}

__all__ = [
    "Result",
    "Studies",
    "Task",
    "__version__",
    "diagnose",
    "lessons",
    "metrics",
    "open_record",
    "optim",
    "race",
    "range_test",
    "schedules",
    "studies",
    "surfaces",
    "train",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'ravine' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    value = importlib.import_module(module)
    if attribute is not None:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
