"""What the figures beside a race show, computed and not drawn: loss shapes, narrow numbers, depth, optimisers from inside, memory."""

from ravine.exhibits.depth import DepthStudy, Levels, Network, depth_study, through_depth
from ravine.exhibits.internals import Internals, internals_of
from ravine.exhibits.loss_scaling import LossScaling, cast_gradients, model_gradients
from ravine.exhibits.loss_shapes import LossSettings, LossShapes, losses_at
from ravine.exhibits.memory import Memory, Model, Plan, counted, every_optimizer, measured, memory_of
from ravine.exhibits.observed_memory import observed
from ravine.exhibits.through_time import Recurrence, TimeLevels, TimeStudy, through_time, time_study

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
