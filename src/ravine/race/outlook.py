"""What a race would take, found out without running it: lanes, shards, memory, gradients and hours on so many machines."""

import time
from collections.abc import Mapping, Sequence
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
        shards: units of work on one machine, on two, and so on.
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
        workers: processes in all, on one machine, on two, and so on; on one alone, as many as the race itself would start.
        memory_bytes: of each process.
        stages: in their order; grids that are extended, and lanes that diverge, are not foreseen.
        seconds: on one machine, on two, and so on.
    """

    task: str
    steps: int
    mode: str
    reason: str
    workers: tuple[int, ...]
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
        seconds, stages, workers = facts.pop("seconds"), facts.pop("stages"), facts.pop("workers")
        nodes = [
            {"nodes": number, "workers": count, "seconds": round(total, 3), "hours": round(total / 3600, 6)}
            for number, (count, total) in enumerate(zip(workers, seconds, strict=True), 1)
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
    with Crew(fleet, workers) as crew:
        plan = within_time(plan, crew, splits, None, began)
        lanes = _lanes(plan)
        tuned = "final" if plan.is_shared_lr else "tune"
        split, at = ("test" if plan.is_shared_lr else "validation"), frozenset(plan.evaluation_steps)
        choice = fleet.calibrate(lanes[tuned], plan.steps, Evaluations({split: at}, {split: splits[split]}))
        most = crew.most_workers(lanes[tuned], choice, splits)
        memory = fleet.memory(lanes[tuned], choice, splits)
        seconds = {name: _seconds(plan, name, own, choice.seconds / len(lanes[tuned])) for name, own in lanes.items()}
        # On a cluster workers do everything; one machine may need none.
        counts = {1: _here(crew, lanes, seconds, most)}
    counts |= {number: dict.fromkeys(lanes, min(each, most) * number) for number in range(2, nodes + 1)}
    totals, shards = list[float](), {name: list[int]() for name in lanes}
    for share in counts.values():
        total = WORKER_START_S * choice.stretch + choice.start_s if max(share.values()) > 1 else 0.0
        for name, own in lanes.items():
            tiles = [len(tile) for tile in fleet.tiles(own, choice, share[name])]
            total += seconds[name] * longest_share(tiles, share[name]) / len(own)
            shards[name].append(len(tiles))
        totals.append(total)
    stages = tuple(_stage(plan, name, own, seconds[name], shards[name]) for name, own in lanes.items())
    staff = tuple(max(share.values()) for share in counts.values())
    return Outlook(plan.task.name, plan.steps, choice.mode, choice.reason, staff, memory, stages, tuple(totals))


def _here(crew: Crew, lanes: Mapping[str, Sequence[Lane]], seconds: Mapping[str, float], most: int) -> dict[str, int]:
    """Processes that each stage would have on this machine: they are started once a stage is worth it, and stay."""
    found = dict[str, int]()
    for name, own in lanes.items():
        number, _ = crew.size(seconds[name], len(own), are_there=any(count > 1 for count in found.values()))
        found[name] = min(number, most)
    return found


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


def _seconds(plan: Plan, name: str, lanes: Sequence[Lane], lane_s: float) -> float:
    """What one process takes for a stage."""
    return lane_s * len(lanes) * _share(plan, name)


def _stage(plan: Plan, name: str, lanes: Sequence[Lane], seconds: float, shards: Sequence[int]) -> StageOutlook:
    steps = sum(lane.rule.gradients_per_step for lane in lanes) * plan.steps
    return StageOutlook(name, len(lanes), round(steps * _share(plan, name)), seconds, tuple(shards))


def _share(plan: Plan, name: str) -> float:
    """Of whole lanes, what a stage runs of them."""
    return expected_share(plan.rungs, plan.steps) if name == "tune" else 1.0
