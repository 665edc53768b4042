"""What the figures beside a race show, computed and not drawn: loss shapes, narrow numbers, depth, optimisers from inside, memory.

Names load on first use: the memory of a number of parameters is arithmetic, and needs no torch.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from ravine.exhibits.depth import DepthStudy, Levels, Network, depth_study, through_depth
    from ravine.exhibits.internals import Internals, internals_of
    from ravine.exhibits.loss_scaling import LossScaling, cast_gradients, model_gradients
    from ravine.exhibits.loss_shapes import LossSettings, LossShapes, losses_at
    from ravine.exhibits.measured_memory import measured
    from ravine.exhibits.memory import Memory, Model, Plan, counted, every_optimizer, memory_of
    from ravine.exhibits.observed_memory import observed
    from ravine.exhibits.through_time import Recurrence, TimeLevels, TimeStudy, through_time, time_study

_WHERE = {
    "depth": ("DepthStudy", "Levels", "Network", "depth_study", "through_depth"),
    "internals": ("Internals", "internals_of"),
    "loss_scaling": ("LossScaling", "cast_gradients", "model_gradients"),
    "loss_shapes": ("LossSettings", "LossShapes", "losses_at"),
    "measured_memory": ("measured",),
    "memory": ("Memory", "Model", "Plan", "counted", "every_optimizer", "memory_of"),
    "observed_memory": ("observed",),
    "through_time": ("Recurrence", "TimeLevels", "TimeStudy", "through_time", "time_study"),
}

__all__ = [
    "DepthStudy",
    "Internals",
    "Levels",
    "LossScaling",
    "LossSettings",
    "LossShapes",
    "Memory",
    "Model",
    "Network",
    "Plan",
    "Recurrence",
    "TimeLevels",
    "TimeStudy",
    "cast_gradients",
    "counted",
    "depth_study",
    "every_optimizer",
    "internals_of",
    "losses_at",
    "measured",
    "memory_of",
    "model_gradients",
    "observed",
    "through_depth",
    "through_time",
    "time_study",
]


def __getattr__(name: str) -> typing.Any:
    for module, held in _WHERE.items():
        if name in held:
            return getattr(importlib.import_module(f"ravine.exhibits.{module}"), name)
    raise AttributeError(f"module 'ravine.exhibits' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
