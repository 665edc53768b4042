"""How the stages of a race are run: measured on the first, and where lanes differ from it in more than their rates."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, final

from ravine.fleet import Choice, Evaluations, Lane
from ravine.race.executors import Crew
from ravine.race.halving import expected_share
from ravine.race.plan import Plan
from ravine.race.tuning import FINAL_RATES

LIKE_THE_GRID = ("extend", "refine")
"""Stages that run more rates of the same rules on the same splits: as the grid was run."""

ON_THE_DISK = "lanes wait on the disk at each rung, because memory does not hold all of them"


@final
class Arranging:
    """Chooses the mode, the tiles and the number of workers of each stage.

    Args:
        plan: the race.
        crew: who runs lanes.
        splits: what is evaluated.
        engine: how stages were arranged so far, by name; extended.
    """

    def __init__(self, plan: Plan, crew: Crew, splits: Mapping[str, Any], engine: dict[str, Any]) -> None:
        self._plan, self._crew, self._fleet, self._splits, self._engine = plan, crew, crew.fleet, splits, engine

    def arrange(self, stage: str, lanes: Sequence[Lane], evaluations: Evaluations) -> tuple[Choice, int, list[str]]:
        """How a stage is run, by how many workers, and what must be noted about it.

        Args:
            stage: its name.
            lanes: its lanes.
            evaluations: when which split is evaluated.
        """
        whole = self._measured(stage, lanes, evaluations)
        rungs = self._plan.rungs if stage.partition(":")[0] == "tune" else ()
        choice = replace(whole, seconds=whole.seconds * expected_share(rungs, self._plan.steps))
        num_workers, why = self._crew.size(choice.seconds, len(lanes))
        fitting = self._crew.most_workers(lanes, choice, self._splits) if num_workers > 1 else 1
        if fitting < num_workers:
            num_workers, why = fitting, f"memory holds {fitting} worker process{'es' if fitting > 1 else ''}, not {num_workers}"
        used = num_workers * self._fleet.memory(lanes, choice, self._splits)
        held = self._fleet.held(lanes, used) if rungs else 0
        self._engine[stage] = {
            "mode": choice.mode,
            "tile": choice.tile,
            "workers": num_workers,
            "reason": choice.reason,
            "measured_s": choice.measured,
            "trials": [trial.as_json() for trial in choice.trials],
            "lane_s": whole.seconds / len(lanes),
            "one_process_s": choice.seconds,
            "forecast_s": self._crew.forecast(choice, lanes, num_workers),
            "memory_bytes": used + (held or 0),
            "parks": held is None,
        }
        if stage == "tune":
            self._engine[stage]["race_s"] = self._whole_race(whole, len(lanes))
        is_alone = choice.mode in ("loop", "fused") and not self._fleet.support.stackable
        unstackable = f"lanes run one after the other, because {self._fleet.support.reason}" if is_alone else ""
        return choice, num_workers, [text for text in (unstackable, why, "" if held is not None else ON_THE_DISK) if text]

    def _measured(self, stage: str, lanes: Sequence[Lane], evaluations: Evaluations) -> Choice:
        name, colon, rows = stage.partition(":")
        first, _, is_later_wave = name.partition(" ")
        # Of the same batch size: that is another fleet.
        before, reason = (first, "as the first seeds were run") if is_later_wave else ("tune", "as the grid was run")
        facts = self._engine.get(before + colon + rows)
        if facts is None or not (is_later_wave or name in LIKE_THE_GRID):
            return self._fleet.calibrate(lanes, self._plan.steps, evaluations)
        return Choice(facts["mode"], facts["tile"], reason, {}, facts["lane_s"] * len(lanes))

    def _whole_race(self, choice: Choice, tuned: int) -> float:
        """Seconds that all stages take, from what lanes of the first one would take to their end; grids are rarely extended."""
        entrants, facts = self._plan.entrants, self._engine["tune"]
        final = self._plan.seeds * sum(min(FINAL_RATES, len(entrant.settings())) for entrant in entrants)
        refined = 2 * len(entrants) if self._plan.extends else 0
        lanes = sum(len(entrant.settings()) for entrant in entrants)
        return float(facts["forecast_s"] * max(1.0, lanes / tuned) + choice.seconds * (final + refined) / tuned / facts["workers"])
