"""What a race would take, found out without running it: lanes, shards, memory, gradients and hours on so many machines."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ravine.fleet import Evaluations, Fleet, Lane
from ravine.race.executors import WORKER_START_S, Crew, available_cores, check_workers, longest_share
from ravine.race.halving import expected_share
from ravine.race.plan import TUNING_SEED, Plan
from ravine.race.running import find_device, ranking_splits
from ravine.race.spending import within_time
from ravine.race.tuning import FINAL_RATES


@dataclass(frozen=True, slots=True)
class StageOutlook:
    """A stage as it is to be expected.

    Attributes:
        name: its name.
        lanes: how many.
        gradients: evaluations of the gradient, those of lanes that end early at rungs left out.
        seconds: that one process would take.
        shards: units of work on the first and on every further number of machines.
    """

    name: str
    lanes: int
    gradients: int
    seconds: float
    shards: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """A race as it is to be expected, on machines like this one.

    Attributes:
        task: name of the task.
        steps: of every lane.
        mode: how lanes would run here, and why.
        reason: why so.
        workers_per_node: processes on each machine.
        memory_bytes: of each process.
        stages: in their order; grids that are extended, and lanes that diverge, are not foreseen.
        seconds: on one machine, on two, and so on.
    """

    task: str
    steps: int
    mode: str
    reason: str
    workers_per_node: int
    memory_bytes: int
    stages: tuple[StageOutlook, ...]
    seconds: tuple[float, ...]

    @property
    def gradients(self) -> int:
        """Gradient evaluations of all stages."""
        return sum(stage.gradients for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """The outlook as plain values (schema 1)."""
        facts = asdict(self)
        seconds, stages = facts.pop("seconds"), facts.pop("stages")
        nodes = [
            {"nodes": number, "workers": number * self.workers_per_node, "seconds": round(total, 3), "hours": round(total / 3600, 6)}
            for number, total in enumerate(seconds, 1)
        ]
        parts = [{**stage, "seconds": round(stage["seconds"], 3), "shards": list(stage["shards"])} for stage in stages]
        return {"schema": 1, **facts, "gradients": self.gradients, "stages": parts, "nodes": nodes}


def outlook(plan: Plan, *, workers: int | str = "auto", nodes: int = 1, device: str = "cpu") -> Outlook:
    """Time the task here for about a second, and reckon the race from it.

    Args:
        plan: the race.
        workers: processes on each machine; "auto" for one a core.
        nodes: most machines.
        device: where lanes run.

    Raises:
        TaskError, DataError: the task cannot be raced.
    """
    began = time.perf_counter()
    fleet = Fleet(plan.task, race_seed=plan.race_seed, device=find_device(device))
    plan.task.check()
    splits = ranking_splits(plan)[0]
    each = (check_workers(workers) or available_cores()) if fleet.device.type == "cpu" else 1
    with Crew(fleet, each) as crew:
        plan = within_time(plan, crew, splits, None, began)
        lanes = _lanes(plan)
        tuned = "final" if plan.is_shared_lr else "tune"
        split, at = ("test" if plan.is_shared_lr else "validation"), frozenset(plan.evaluation_steps)
        choice = fleet.calibrate(lanes[tuned], plan.steps, Evaluations({split: at}, {split: splits[split]}))
        each = min(each, crew.most_workers(lanes[tuned], choice, splits))
        memory = fleet.memory(lanes[tuned], choice, splits)
    counts, lane_s = [each * number for number in range(1, nodes + 1)], choice.seconds / len(lanes[tuned])
    cut = {name: [[len(tile) for tile in fleet.tiles(own, choice, count)] for count in counts] for name, own in lanes.items()}
    stages = tuple(_stage(plan, name, own, lane_s, cut[name]) for name, own in lanes.items())
    start = WORKER_START_S * choice.stretch + choice.start_s
    totals = [0.0 if count == 1 else start for count in counts]
    for stage in stages:
        for place, count in enumerate(counts):
            totals[place] += stage.seconds * longest_share(cut[stage.name][place], count) / stage.lanes
    return Outlook(plan.task.name, plan.steps, choice.mode, choice.reason, each, memory, stages, tuple(totals))


def _lanes(plan: Plan) -> dict[str, list[Lane]]:
    """Lanes of every stage that is to be expected, with settings that stand for those that tuning will find."""
    stages: dict[str, list[tuple[Any, Any, int]]] = {}
    seeds = range(TUNING_SEED + 1, TUNING_SEED + 1 + plan.seeds)
    if not plan.is_shared_lr:
        stages["tune"] = [(one, setting, TUNING_SEED) for one in plan.entrants for setting in one.settings()]
        if plan.extends:
            stages["refine"] = [(one, one.settings()[0], TUNING_SEED) for one in plan.entrants for _ in range(2)]
    most = None if plan.is_shared_lr else FINAL_RATES
    stages["final"] = [(one, setting, seed) for one in plan.entrants for setting in one.settings()[:most] for seed in seeds]
    return {
        name: [one.entry(name, number, setting, seed).lane for number, (one, setting, seed) in enumerate(own)]
        for name, own in stages.items()
    }


def _stage(plan: Plan, name: str, lanes: Sequence[Lane], lane_s: float, cut: Sequence[Sequence[int]]) -> StageOutlook:
    share = expected_share(plan.rungs, plan.steps) if name == "tune" else 1.0
    steps = sum(lane.rule.gradients_per_step for lane in lanes) * plan.steps
    return StageOutlook(name, len(lanes), round(steps * share), lane_s * len(lanes) * share, tuple(map(len, cut)))
