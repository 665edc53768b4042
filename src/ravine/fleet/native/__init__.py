"""Native code: generated at first use for the model and the rules at hand, never needed."""

from ravine.fleet.native.builds import Build, together
from ravine.fleet.native.evaluating import WORTH, EvaluationFunction, evaluation, rows_at_a_time
from ravine.fleet.native.functions import Functions, GradientFunction, UpdateFunction, pointers, scratch
from ravine.fleet.native.jobs import Feed, LaneJob, LaneMemory, Place, Workspace, apart, leaves, run_lanes
from ravine.fleet.native.tensors import TensorsUpdate
from ravine.fleet.native.toolchain import compiler
from ravine.fleet.native.values import Unsupported

__all__ = [
    "WORTH",
    "Build",
    "EvaluationFunction",
    "Feed",
    "Functions",
    "GradientFunction",
    "LaneJob",
    "LaneMemory",
    "Place",
    "TensorsUpdate",
    "Unsupported",
    "UpdateFunction",
    "Workspace",
    "apart",
    "compiler",
    "evaluation",
    "leaves",
    "pointers",
    "rows_at_a_time",
    "run_lanes",
    "scratch",
    "together",
]
