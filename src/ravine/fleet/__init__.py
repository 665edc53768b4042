"""Many copies of one model in one process, each with its own optimiser."""

from ravine.fleet.calibration import Choice, Mode
from ravine.fleet.events import Diverged, Evaluated, Event, Finished, LossBlock, Started
from ravine.fleet.fleet import Evaluations, Fleet
from ravine.fleet.lanes import Lane
from ravine.fleet.workers import WorkerPool, pack

__all__ = [
    "Choice",
    "Diverged",
    "Evaluated",
    "Evaluations",
    "Event",
    "Finished",
    "Fleet",
    "Lane",
    "LossBlock",
    "Mode",
    "Started",
    "WorkerPool",
    "pack",
]
