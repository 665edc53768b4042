"""The neutral judge: recommendations retrained on fresh seeds by eager torch, compared on the test split. One JSON line.

python benchmarks/race_sides/judge.py --steps 1000 --seeds 20 ours=adamw:0.05 theirs=momentum:0.3
"""

import argparse
import json
import math
import statistics
import warnings

import torch
from digits import splits, train
from optuna_side import TARGET_SHARE, steps_to
from scipy.stats import ttest_rel

FIRST_SEED = 10_000
"""No side has tuned or ranked on seeds from here on."""


def curves(name, lr, steps, seeds):
    train_split, _, test = splits()
    return [dict(train(name, lr, steps=steps, seed=FIRST_SEED + k, train_split=train_split, other_split=test)) for k in range(seeds)]


def compare(first, second):
    """Whether the first sample is lower than the second, by a paired t-test at 5 %."""
    if first == second:
        return {"p": 1.0, "verdict": "tied"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # samples that differ by a constant
        p = float(ttest_rel(first, second).pvalue)
    lower = statistics.mean(first) < statistics.mean(second)
    return {"p": p, "verdict": ("better" if lower else "worse") if p < 0.05 else "tied"}


def judge(recipes, steps, seeds):
    """Every recipe beside the first, in final test loss and in the steps to a common target."""
    trained = {recipe: curves(*recipe, steps, seeds) for recipe in set(recipes.values())}
    start = statistics.median(curve[0] for runs in trained.values() for curve in runs)
    tight = min(statistics.median(curve.get(steps, math.inf) for curve in runs) for runs in trained.values())
    target = tight + TARGET_SHARE * (start - tight)
    finals = {recipe: [curve.get(steps, start) for curve in runs] for recipe, runs in trained.items()}
    times = {recipe: [min(steps_to(curve, target), 2 * steps) for curve in runs] for recipe, runs in trained.items()}
    logs = {recipe: [math.log(time) for time in found] for recipe, found in times.items()}
    ours = next(iter(recipes.values()))
    return {
        side: {
            "optimizer": recipe[0],
            "lr": recipe[1],
            "final": statistics.mean(finals[recipe]),
            "steps": statistics.median(times[recipe]),
            "ours_final": compare(finals[ours], finals[recipe]),
            "ours_steps": compare(logs[ours], logs[recipe]),
        }
        for side, recipe in recipes.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", metavar="SIDE=OPTIMIZER:LR")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    recipes = {}
    for text in given.recipes:
        side, _, recipe = text.partition("=")
        name, _, lr = recipe.partition(":")
        recipes[side] = (name, float(lr))
    print(json.dumps(judge(recipes, given.steps, given.seeds)))


if __name__ == "__main__":
    main()
