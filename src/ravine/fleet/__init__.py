"""Many copies of one model in one process, each with its own optimiser."""

from ravine.fleet.calibration import Choice, Mode
from ravine.fleet.events import Culled, Diverged, Evaluated, Event, Finished, LossBlock, Paused, Remark, Saved, Started
from ravine.fleet.fleet import Fleet
from ravine.fleet.lanes import Lane
from ravine.fleet.parcel import fingerprint, pack
from ravine.fleet.past import Past
from ravine.fleet.processes import Processes
from ravine.fleet.rungs import Rungs
from ravine.fleet.snapshot import EVERY_S, Snapshots
from ravine.fleet.tile_run import Evaluations
from ravine.fleet.workers import Site, WorkerPool

__all__ = [
    "EVERY_S",
    "Choice",
    "Culled",
    "Diverged",
    "Evaluated",
    "Evaluations",
    "Event",
    "Finished",
    "Fleet",
    "Lane",
    "LossBlock",
    "Mode",
    "Past",
    "Paused",
    "Processes",
    "Remark",
    "Rungs",
    "Saved",
    "Site",
    "Snapshots",
    "Started",
    "WorkerPool",
    "fingerprint",
    "pack",
]
