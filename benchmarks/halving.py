"""What halving saves and what it costs, replayed on races that ran every rate to its end.

    ravine race digits --exhaustive --out digits.ravine
    python benchmarks/halving.py digits.ravine

For each optimiser the decisions at the rungs are taken again from the recorded curves, and what was culled too early is
run after all where the race would do so. Regret is how far the rate that
is left as the best ends from the best of the grid, as a part of the way from there back to the start.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ravine.race.entrants import Entrant
from ravine.race.halving import Candidate, culls, rungs_for
from ravine.race.tuning import Outcome, RateSearch
from ravine.records import open_record


def replay(path: Path) -> list[dict[str, Any]]:
    """One row an optimiser: share of the gradients of the grid, regret of the rate that is picked, and its offset in rates."""
    rows = []
    with open_record(path) as record:
        protocol, task = record.meta["protocol"], record.meta["task"]
        sign = -1.0 if task["higher_is_better"] else 1.0
        rungs = rungs_for(protocol["steps"], protocol["evaluation_steps"])
        for label in protocol["lr_grids"]:
            refined = set(protocol["search"]["refined"].get(label, ()))
            lanes = {lane.lr: lane for lane in record.lanes(stage="tune", optimizer=label) if lane.lr not in refined}
            curves = {lr: record.curve(lane.lane, "validation", protocol["metric"]) for lr, lane in lanes.items()}
            losses = {lr: record.curve(lane.lane, "validation", "loss")[1] for lr, lane in lanes.items()}
            silent = {lr for lr, lane in lanes.items() if (lane.reason or "").startswith("silently")}
            rates = [
                Candidate(lr, steps, sign * values, losses[lr], None if lr in silent else lanes[lr].diverged_at)
                for lr, (steps, values) in curves.items()
            ]
            rows.append({"task": task["name"], "optimizer": label} | outcome(rates, rungs, protocol["steps"]))
    return rows


def outcome(rates: list[Candidate], rungs: Any, steps: int) -> dict[str, Any]:
    """What halving spends on some rates, and what it picks."""
    ended = culls(rates, rungs, steps)
    last = {rate.lr: rate.diverged_at or steps for rate in rates}
    spent = sum(min(end, ended.get(lr, (end, ""))[0]) for lr, end in last.items())
    finals = {rate.lr: float(rate.values[-1]) for rate in rates if rate.diverged_at is None and np.isfinite(rate.values[-1])}
    left = {lr: value for lr, value in finals.items() if lr not in ended}
    again = rescued(rates, ended)
    left |= {lr: finals[lr] for lr in again if lr in finals}
    spent += sum(last[lr] for lr in again)
    whole, picked = min(finals, key=lambda lr: finals[lr]), min(left, key=lambda lr: left[lr], default=None)
    start, order = float(np.median([rate.values[0] for rate in rates])), sorted(last)
    return {
        "share": spent / sum(last.values()),
        "of_whole_runs": spent / steps / len(rates),
        "regret": 1.0 if picked is None else (left[picked] - finals[whole]) / (start - finals[whole]),
        "offset": None if picked is None else order.index(picked) - order.index(whole),
        "rescued": len(again),
    }


def rescued(rates: list[Candidate], ended: Mapping[float, tuple[int, str]]) -> tuple[float, ...]:
    """Culled rates that the race would have run to the end after all."""
    search = RateSearch(Entrant("", "", tuple(rate.lr for rate in rates)), higher_is_better=False, extends=True)
    for rate in rates:
        seen = rate.steps <= ended.get(rate.lr, (rate.steps[-1], ""))[0]
        is_culled = rate.lr in ended
        values = rate.values[seen]
        search.add(Outcome(rate.lr, float(values[-1]), rate.diverged_at is not None, None, rate.steps[seen], values, is_culled))
    return search.rescue()


def main() -> None:
    """Print a table and the same as JSON."""
    rows = [row for name in sys.argv[1:] for row in replay(Path(name))]
    print(f"{'task':16} {'optimiser':12} {'gradients':>9} {'regret':>8} {'rates off':>9} {'rescued':>7}")
    for row in rows:
        where = f"{row['offset']!s:>9} {row['rescued'] or '':>7}"
        print(f"{row['task']:16} {row['optimizer']:12} {row['share']:9.2f} {row['regret']:8.4f} {where}")
    for name in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == name]
        worst = max(row["regret"] for row in own)
        print(f"{name:16} {'all':12} {np.mean([row['share'] for row in own]):9.2f} {worst:8.4f} (worst)")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
