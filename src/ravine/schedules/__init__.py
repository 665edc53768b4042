"""Learning-rate schedules: pure functions from the step to a multiplier of the peak rate."""

from ravine.schedules._schedule import Schedule
from ravine.schedules.shapes import REGISTRY, Constant, Cosine, Linear, create, names

__all__ = ["REGISTRY", "Constant", "Cosine", "Linear", "Schedule", "create", "names"]
