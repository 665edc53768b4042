"""A synthetic race written as a real record: three optimisers with a known order, one that always diverges, ties and a fragile rate."""

import math
from pathlib import Path

import numpy as np

from ravine.records import Cost, FinalLane, LaneRow, Ranking, RankingSettings, TunedLane, create, rank

STEPS = (0, 1, 2, 4, 8, *range(16, 401, 16))
RATES = tuple(10.0 ** (exponent / 2) for exponent in range(-8, 1))
# Per optimiser: the best rate's exponent, time constant at that rate in steps, and final loss.
TRUTH = {"sgd": (-0.5, 150.0, 0.32), "adam": (-2.5, 40.0, 0.20), "adamw": (-2.5, 40.0, 0.20), "wild": (math.inf, 1.0, 1.0)}
COST = {
    "sgd": Cost(8.0, 1.0, 1e-4, 1),
    "adam": Cost(16.0, 1.0, 2e-4, 4),
    "adamw": Cost(16.0, 1.0, 2e-4, 5),
    "wild": Cost(8.0, 1.0, 1e-4, 1),
}


def breaks(optimizer: str, lr: float) -> bool:
    best = TRUTH[optimizer][0]
    return math.log10(lr) > best + 0.9 if math.isfinite(best) else True


def curve(optimizer: str, lr: float, seed: int) -> np.ndarray:
    """Loss at `STEPS`: exponential, slower and worse away from the best rate, noise from the seed."""
    best, time, floor = TRUTH[optimizer]
    rng = np.random.default_rng([seed, sorted(TRUTH).index(optimizer), round(10 * math.log10(lr)) + 100])
    off = abs(math.log10(lr) - best) if math.isfinite(best) else 0.0
    steps = np.array(STEPS)
    floor *= (1 + 0.3 * off**2) * math.exp(0.03 * rng.normal())
    values = floor + (2.3 - floor) * np.exp(-steps / (time * 10**off * math.exp(0.1 * rng.normal())))
    values[1:] *= np.exp(0.02 * rng.normal(size=len(steps) - 1))
    if breaks(optimizer, lr):
        values[4:] = np.nan
    return values


def write(path: Path, *, optimizers=("sgd", "adam", "adamw", "wild"), seeds=5, status="done", shared_lr=None, names=None) -> Ranking:
    """Write a whole race to `path` and return its ranking."""
    names = names or {name: name for name in optimizers}
    with create(path) as writer:
        tuned, final = [], []
        plan = [("tune", name, lr, 0) for name in optimizers for lr in RATES] if shared_lr is None else []
        finals = {
            name: [10.0**best, 10.0 ** (best - 0.5)] if math.isfinite(best := TRUTH[name][0]) else [RATES[0], RATES[1]]
            for name in optimizers
        }
        plan += [
            ("final", name, lr, seed)
            for name in optimizers
            for lr in (finals[name] if shared_lr is None else [shared_lr])
            for seed in range(1, seeds + 1)
        ]
        rows = [
            LaneRow(lane=number, stage=stage, optimizer=names[name], lr=lr, schedule="cosine", seed=seed, hypers={"weight_decay": 0.01})
            for number, (stage, name, lr, seed) in enumerate(plan)
        ]
        writer.add_lanes(rows)
        for row, (stage, name, lr, seed) in zip(rows, plan, strict=True):
            values, lost = curve(name, lr, seed), breaks(name, lr)
            split = "validation" if stage == "tune" else "test"
            writer.start_lanes([row.lane], "loop")
            for step, value in zip(STEPS, values, strict=True):
                writer.add_evaluation([row.lane], step, split, {"loss": [value], "accuracy": [1 - value / 3]})
            end = 5 if lost else STEPS[-1]
            writer.add_losses([row.lane], 0, np.interp(np.arange(end), STEPS, np.nan_to_num(values, nan=9.0))[:, None].astype(np.float32))
            if lost:
                writer.mark_diverged(row.lane, 5, "the loss is not finite <nan & more>")
            writer.finish_lanes([row.lane], steps_done=end, seconds=0.5)
            if stage == "tune":
                tuned.append(TunedLane(names[name], lr, float(values[-1]), lost, False))
            else:
                writer.add_evaluation([row.lane], STEPS[-1], "validation", {"loss": [values[-1]], "accuracy": [1 - values[-1] / 3]})
                final.append(FinalLane(names[name], lr, seed, lost, values, float(values[-1])))
        costs = {names[name]: COST[name] for name in optimizers}
        result = rank(tuned, final, RankingSettings(eval_steps=STEPS, cost=costs))
        best = result.recommended
        writer.set_meta("task", {"name": "synthetic", "batch_size": 64, "rank_by": "loss", "higher_is_better": False})
        writer.set_meta(
            "protocol",
            {
                "seeds": seeds,
                "steps": STEPS[-1],
                "lr_grids": {names[name]: list(RATES) for name in optimizers},
                "split": "test",
                "shared_lr": shared_lr,
            }
            | {"budget_gradients": 3600, "target": result.targets.as_json(), "versions": {"ravine": "0"}},
        )
        writer.set_meta("environment", {"machine": "synthetic"})
        writer.set_meta("created", "2025-01-01T00:00:00Z")
        writer.set_meta("status", status)
        writer.set_meta("wall_s", 12.5)
        writer.set_meta("notes", result.notes)
        writer.set_meta("pairs", [pair.as_json() for pair in result.pairs])
        if best is not None and shared_lr is None:
            chosen = {"optimizer": best.optimizer, "lr": best.lr, "schedule": "cosine", "tied_with": list(best.tied_with)}
            writer.set_meta("recommendation", chosen)
        writer.set_ranking(result.entrants)
    return result
