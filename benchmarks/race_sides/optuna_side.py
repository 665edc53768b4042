"""The question of a race answered with Optuna and eager torch: one JSON line.

python benchmarks/race_sides/optuna_side.py grid --steps 1000       every rate of each optimiser to its end, then a final
python benchmarks/race_sides/optuna_side.py halving --steps 1000    the same under Optuna's successive halving
python benchmarks/race_sides/optuna_side.py tpe --seconds 20        TPE and the median pruner over all optimisers at once
python benchmarks/race_sides/optuna_side.py hyperband --seconds 20  TPE and Hyperband
"""

import argparse
import json
import math
import statistics
import time
import warnings

STARTED = time.monotonic()

import optuna
import torch
from digits import GRIDS, evaluation_steps, splits, train

FINAL_RATES, SEEDS, TARGET_SHARE = 2, 5, 0.1
RUNG_SHARE, ETA = 0.1, 3


class Count:
    """Gradients spent."""

    gradients = 0


def run(name, lr, steps, seed, parts, trial=None, asked=None):
    """One network from start to end, or to where the pruner ends it; its curve."""
    curve, before = {}, 0
    for step, loss in train(name, lr, steps=steps, seed=seed, train_split=parts[0], other_split=parts[1]):
        Count.gradients += step - before
        curve[step], before = loss, step
        if trial is None or step == 0:
            continue
        if not math.isfinite(loss):
            raise optuna.TrialPruned
        if step in asked:
            trial.report(loss, step)
            if step < steps and trial.should_prune():
                raise optuna.TrialPruned
    return curve


def tune(name, steps, pruner, parts):
    """The two best rates of an optimiser's grid by the step they came to, then validation loss."""
    # The pruner is asked at its own rungs alone: a report costs more than a training step.
    rungs = [steps] if isinstance(pruner, optuna.pruners.NopPruner) else nearest(steps, [RUNG_SHARE, RUNG_SHARE * ETA])

    def objective(trial):
        return run(name, trial.suggest_float("lr", GRIDS[name][0], GRIDS[name][-1]), steps, 0, parts, trial, {*rungs, steps})[steps]

    study = optuna.create_study(sampler=optuna.samplers.GridSampler({"lr": GRIDS[name]}, seed=0), pruner=pruner)
    study.optimize(objective, n_trials=len(GRIDS[name]))
    # The protocol's final is of two rates. Optuna's pruner may leave one: the other is then the best of those that came furthest.
    last = {trial.params["lr"]: max(trial.intermediate_values.items(), default=(0, math.inf)) for trial in study.trials}
    return sorted((lr for lr in last if math.isfinite(last[lr][1])), key=lambda lr: (-last[lr][0], last[lr][1]))[:FINAL_RATES]


def nearest(steps, shares):
    return [min(evaluation_steps(steps), key=lambda step: abs(step - share * steps)) for share in shares]


def steps_to(curve, target):
    """First step from which two evaluations in a row reach a target."""
    points = sorted(curve.items())
    held = (step for (step, loss), (_, following) in zip(points, [*points[1:], points[-1]], strict=True) if loss <= target >= following)
    return next(held, math.inf)


def race(method, steps):
    """Tune each optimiser, run the final on fresh seeds, rank by the median steps to a target and say what is tied."""
    from scipy.stats import ttest_rel

    train_split, validation, test = splits()
    final = {}
    for name in GRIDS:
        halves = optuna.pruners.SuccessiveHalvingPruner(min_resource=nearest(steps, [RUNG_SHARE])[0], reduction_factor=ETA)
        pruner = halves if method == "halving" else optuna.pruners.NopPruner()
        for lr in tune(name, steps, pruner, (train_split, validation)):
            final[name, lr] = [run(name, lr, steps, seed, (train_split, test)) for seed in range(1, SEEDS + 1)]
    best = {}
    for (name, lr), curves in final.items():
        # Without a second look at the test split: the rate that tuning had first, unless it broke.
        if name not in best and all(steps in curve for curve in curves):
            best[name] = lr
    tight = statistics.median(curve[steps] for curve in final["adamw", best["adamw"]])
    start = statistics.median(curve[0] for curves in final.values() for curve in curves)
    target = tight + TARGET_SHARE * (start - tight)
    times = {name: [steps_to(curve, target) for curve in final[name, lr]] for name, lr in best.items()}
    order = sorted(best, key=lambda name: (statistics.median(times[name]), statistics.mean(c[steps] for c in final[name, best[name]])))
    logs = {name: [math.log(min(time, 2 * steps)) for time in times[name]] for name in order}
    tied = [name for name in order[1:] if logs[name] == logs[order[0]] or ttest_rel(logs[order[0]], logs[name]).pvalue > 0.05]
    return {"optimizer": order[0], "lr": best[order[0]], "tied_with": tied, "steps_to_target": times}


def search(method, steps, seed, deadline):
    """The best (optimiser, rate) that one study over all of them finds until a moment."""
    train_split, validation, _ = splits()
    asked = set(evaluation_steps(steps)) - {0}

    def objective(trial):
        name = trial.suggest_categorical("optimizer", list(GRIDS))
        lr = trial.suggest_float(f"lr_{name}", GRIDS[name][0], GRIDS[name][-1], log=True)
        return run(name, lr, steps, 0, (train_split, validation), trial, asked)[steps]

    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)
    hyperband = optuna.pruners.HyperbandPruner(min_resource=nearest(steps, [RUNG_SHARE])[0], max_resource=steps, reduction_factor=ETA)
    pruner = (
        hyperband if method == "hyperband" else optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=nearest(steps, [0.05])[0])
    )
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.optimize(objective, timeout=max(0.1, deadline - time.monotonic()))
    name = study.best_params["optimizer"]
    counts = {"trials": len(study.trials), "complete": sum(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials)}
    return {"optimizer": name, "lr": study.best_params[f"lr_{name}"], "value": study.best_value} | counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=["grid", "halving", "tpe", "hyperband"])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--started", type=float, default=STARTED, help="monotonic time at which the process was begun")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    import_s = time.monotonic() - given.started
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # "multivariate" and "group" still carry a warning that they may change.
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    if given.method in ("grid", "halving"):
        answer = race(given.method, given.steps)
    else:
        answer = search(given.method, given.steps, given.seed, given.started + given.seconds)
    print(json.dumps({**answer, "gradients": Count.gradients, "import_s": import_s}))


if __name__ == "__main__":
    main()
