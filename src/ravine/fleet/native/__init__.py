"""Native code: generated at first use for the model and the rules at hand, never needed."""

from ravine.fleet.native.builds import Build, together
from ravine.fleet.native.evaluating import WORTH, EvaluationFunction, evaluation, rows_at_a_time
from ravine.fleet.native.functions import Functions, GradientFunction, UpdateFunction, pointers, scratch
from ravine.fleet.native.jobs import Feed, LaneJob, LaneMemory, Place, Workspace, apart, leaves, run_lanes
from ravine.fleet.native.tensors import StepCounts, TensorsUpdate
from ravine.fleet.native.toolchain import compiler
from ravine.fleet.native.values import Unsupported
from ravine.fleet.native.whole import Places, WholePhase

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
    "Places",
    "StepCounts",
    "TensorsUpdate",
    "Unsupported",
    "UpdateFunction",
    "WholePhase",
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
