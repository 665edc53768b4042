"""What a record says of how its race was run: printed beside every ranking."""

import platform
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ravine import _version
from ravine.fleet import Fleet
from ravine.race import budgets, spaces
from ravine.race.plan import TUNING_SEED
from ravine.records import Ranking

if TYPE_CHECKING:
    from ravine.race.running import Race


def protocol(race: "Race", ranking: Ranking | None) -> dict[str, Any]:
    """The protocol as the record keeps it, printed beside every ranking."""
    plan = race.plan
    spent = race.spent()
    own_test = plan.task.data.test is not None
    return {
        "seeds": race.seeds,
        "min_seeds": plan.min_seeds,
        "max_seeds": None if plan.min_seeds is None else plan.seeds,
        "stopping": race.stopping,
        "steps": plan.steps,
        "lr_grids": {label: list(search.grid) for label, search in race.searches.items()},
        "search": race.search,
        "search_space": spaces.as_json(plan.entrants, plan.tune),
        "budget": budgets.as_json(plan, race.decisions),
        "budget_gradients": sum(spent.values()),
        "gradients_by_optimizer": spent,
        "target": None if ranking is None else ranking.targets.as_json(),
        "split": {
            **race.split_sizes,
            "tuned_on": None if plan.is_shared_lr else "validation",
            "ranked_on": "test" if own_test else "the half of validation that was not tuned on",
        },
        "versions": {
            "ravine": _version.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "schedule": plan.schedule_name,
        "schedules": {entrant.label: entrant.schedule_name for entrant in plan.entrants},
        "batch_size": race.plan.task.rows_per_step,
        "race_seed": plan.race_seed,
        "tuning_seed": None if plan.is_shared_lr else TUNING_SEED,
        "shared_lr": plan.entrants[0].grid[0] if plan.is_shared_lr else None,
        "metric": plan.task.rank_by,
        "evaluation_steps": list(plan.evaluation_steps),
        "engine": race.engine,
    }


def environment(fleet: Fleet) -> dict[str, Any]:
    """The machine, for the record."""
    return {"platform": platform.platform(), "processor": platform.processor() or platform.machine(), "device": str(fleet.device)}
