"""Learning-rate schedules: pure functions from the step to a multiplier of the peak rate."""

from ravine.schedules._schedule import WARMUPS, Schedule, Shape, multipliers
from ravine.schedules.batch_size import RULES, scaled_lr
from ravine.schedules.compose import Between, Chain
from ravine.schedules.cycles import CosineRestarts, Cyclical, OneCycle
from ravine.schedules.decays import Exponential, InverseSqrt, InverseTime
from ravine.schedules.feedback import Plateau, PlateauState
from ravine.schedules.registry import FEEDBACK, KINDS, REGISTRY, create, names, settings_of
from ravine.schedules.shapes import REX, WSD, Constant, Cosine, Linear, Polynomial
from ravine.schedules.stairs import MultiStep, Piecewise, Step

__all__ = [
    "FEEDBACK",
    "KINDS",
    "REGISTRY",
    "REX",
    "RULES",
    "WARMUPS",
    "WSD",
    "Between",
    "Chain",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Cyclical",
    "Exponential",
    "InverseSqrt",
    "InverseTime",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Piecewise",
    "Plateau",
    "PlateauState",
    "Polynomial",
    "Schedule",
    "Shape",
    "Step",
    "create",
    "multipliers",
    "names",
    "scaled_lr",
    "settings_of",
]
