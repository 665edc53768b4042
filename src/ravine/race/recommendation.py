"""What a race recommends, as facts; the sentence is made from them where it is shown."""

from typing import Any

from ravine.race.plan import Plan
from ravine.records import Ranking


def recommend(ranking: Ranking, plan: Plan) -> dict[str, Any]:
    """The recommended entrant, or none where the race cannot support one.

    A race at a shared rate compares rates as much as optimisers and never recommends (protocol, point 13).
    """
    entrant = None if plan.is_shared_lr else ranking.recommended
    if entrant is None:
        return {"optimizer": None, "lr": None, "schedule": None, "tied_with": [], "hypers": {}}
    schedules = {one.label: one.schedule_name for one in plan.entrants}
    return {
        "optimizer": entrant.optimizer,
        "lr": entrant.lr,
        "schedule": schedules[entrant.optimizer],
        "tied_with": list(entrant.tied_with),
        "hypers": dict(entrant.hypers),
    }
