"""The whole answer of `ravine race digits`, from process start, beside Optuna on eager torch.

Every side is a fresh process on the same core, in turn: imports, calibration, builds, tuning, final, ranking, record and
figure are all counted. Optuna runs the same protocol: the same six optimisers and twelve rates each, the same steps and
evaluations, tuned on validation, then the best two rates on five fresh seeds. "grid" runs every rate to its end, "halving"
uses Optuna's own pruner for that. A ratio is Optuna's time over ravine's.

Against TPE both have the same wall time, and a judge that knows neither retrains what they recommend on fresh seeds.

    python benchmarks/race.py                 1,000 steps: cold, warm; and TPE at equal time
    python benchmarks/race.py --all           20,000 steps as well
    python benchmarks/race.py --all --quick   one round; Optuna's side of 20,000 steps is extrapolated, and marked so
    python benchmarks/race.py --json FILE     machine, versions and every number to FILE
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

SIDES = Path(__file__).with_name("race_sides")
SHORT, LONG = 1000, 20_000
TARGETS = {("cold", SHORT): 3.0, ("warm", SHORT): 6.0, ("warm", LONG): 15.0}
TOGETHER = ("tpe", "hyperband")
"""Optuna's searches over all optimisers at once."""


def pin():
    """Run on the last of the cores that may be used, whoever else does."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def timed(command, **environment):
    """Run a command to its end; what it printed, and its wall and CPU seconds with those of its children."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), wall, cpu


def ravine(folder, steps, cache, seed=0):
    """One race on the command line; its answer."""
    record = folder / "digits.ravine"
    command = [sys.executable, "-m", "ravine", "race", "digits", "--steps", str(steps), "--seed", str(seed)]
    found, wall, cpu = timed([*command, "--out", record, "--force", "--json", "--quiet"], XDG_CACHE_HOME=str(cache))
    chosen, protocol = found["recommendation"], found["protocol"]
    stages = {stage: {"mode": facts["mode"], "took_s": facts.get("took_s")} for stage, facts in protocol["engine"].items()}
    answer = {"optimizer": chosen["optimizer"], "lr": chosen["lr"], "tied_with": chosen["tied_with"]}
    return answer | {"gradients": protocol["budget_gradients"], "stages": stages, "wall_s": wall, "cpu_s": cpu}


def optuna(method, steps, **options):
    """One run of Optuna's side; its answer."""
    command = [sys.executable, SIDES / "optuna_side.py", method, "--steps", str(steps), "--started", str(time.monotonic())]
    found, wall, cpu = timed([*command, *(part for name, value in options.items() for part in (f"--{name}", str(value)))])
    return {**found, "wall_s": wall, "cpu_s": cpu}


def rounds(case, steps, number, folder, methods):
    """Every side in turn, so many times; by side."""
    found = {"ravine": []} | {f"Optuna {method}": [] for method in methods}
    warm = folder / "warm"
    for _ in range(number):
        with tempfile.TemporaryDirectory(dir=folder) as empty:
            found["ravine"].append(ravine(folder, steps, Path(empty) if case == "cold" else warm))
        for method in methods:
            found[f"Optuna {method}"].append(optuna(method, steps))
    return found


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def extrapolated(short, before, after):
    """Runs of more steps from what fewer took: start-up as it is, the rest in proportion. For a first impression, never to be quoted."""
    part = after / before
    start = middle(short, "import_s")
    return [
        {**run, "gradients": round(run["gradients"] * part), "optimizer": None, "is_extrapolated": True}
        | {key: start + (run[key] - start) * part for key in ("wall_s", "cpu_s")}
        for run in short
    ]


def same(ours, theirs):
    """Whether two answers name the same optimiser, those tied with the one or the other included."""
    if theirs.get("optimizer") is None:
        return None
    return theirs["optimizer"] in (ours["optimizer"], *ours["tied_with"]) or ours["optimizer"] in theirs["tied_with"]


def show(case, steps, found, by):
    """A table of one case, its ratios beside their target, judged by "wall" or "cpu" time; the same as data."""
    ours, target = found["ravine"], TARGETS[case, steps]
    print(f"\n{steps:,} steps, {case} cache of native code")
    print(f"  {'':18} {'wall s':>8} {'CPU s':>8} {'gradients':>10} {'x wall':>7} {'x CPU':>7}  answer")
    rows = []
    for side, runs in found.items():
        wall, cpu = middle(runs, "wall_s"), middle(runs, "cpu_s")
        row = {"side": side, "wall_s": wall, "cpu_s": cpu, "gradients": middle(runs, "gradients")}
        row |= {"over_wall": wall / middle(ours, "wall_s"), "over_cpu": cpu / middle(ours, "cpu_s"), "runs": runs}
        row["is_same"] = None if side == "ravine" else same(ours[0], runs[0])
        rows.append(row)
        agrees = {None: "", True: " (the same)", False: " (ANOTHER)"}[row["is_same"]]
        answer = "extrapolated" if runs[0].get("is_extrapolated") else f"{runs[0]['optimizer']} at {runs[0]['lr']:.3g}{agrees}"
        numbers = f"{wall:8.1f} {cpu:8.1f} {row['gradients']:10,.0f} {row['over_wall']:7.2f} {row['over_cpu']:7.2f}"
        print(f"  {side:18} {numbers}  {answer}")
    best = min((row for row in rows[1:]), key=lambda row: row[f"{by}_s"])
    ratio = best[f"over_{by}"]
    word = "met" if ratio >= target else "MISSED"
    print(f"  {word}: {ratio:.2f} times as fast by {by} time as {best['side']}, its quickest (target {target:g})")
    print("  ravine ran " + ", ".join(f"{stage} {facts['mode']}" for stage, facts in ours[0]["stages"].items()))
    return {"case": case, "steps": steps, "target": target, "by": by, "met": ratio >= target, "rows": rows}


def against_search(folder, number, seeds):
    """Both with the same wall time; what they recommend, judged on fresh seeds."""
    print(f"\n{SHORT:,} steps, the same wall time for each; judged on {seeds} fresh seeds, test split (paired t at 5 %)")
    print(f"  {'':18} {'wall s':>8} {'trials':>7}  {'recommends':22} {'test loss':>9} {'steps to':>8}  ravine is")
    found = []
    for seed in range(number):
        ours = ravine(folder, SHORT, folder / "warm", seed)
        sides = {"ravine": ours}
        for method in TOGETHER:
            sides[f"Optuna {method}"] = optuna(method, SHORT, seconds=ours["wall_s"], seed=seed)
        recipes = [f"{side}={answer['optimizer']}:{answer['lr']!r}" for side, answer in sides.items()]
        verdict, *_ = timed([sys.executable, SIDES / "judge.py", "--steps", str(SHORT), "--seeds", str(seeds), *recipes])
        for side, answer in sides.items():
            judged = verdict[side]
            said = f"{judged['optimizer']} at {judged['lr']:.3g}"
            words = "" if side == "ravine" else f"{judged['ours_final']['verdict']} in loss, {judged['ours_steps']['verdict']} in steps"
            numbers = f"{judged['final']:9.4f} {judged['steps']:8.0f}"
            print(f"  {side:18} {answer['wall_s']:8.1f} {answer.get('trials', ''):>7}  {said:22} {numbers}  {words}")
            found.append({"seed": seed, "side": side, **answer, "judged": judged})
    return found


def machine():
    """What the figures were measured on."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    versions = {package: metadata.version(package) for package in ("torch", "numpy", "scipy", "optuna", "ravine")}
    return {"processor": name, "load": os.getloadavg(), "system": platform.platform(), "python": platform.python_version()} | versions


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help=f"{LONG:,} steps as well")
    parser.add_argument("--quick", action="store_true", help="one round, and Optuna's side of the long case extrapolated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=20, help="of the judge")
    parser.add_argument("--by", default="wall", choices=["wall", "cpu"], help="the verdict's time; CPU time where others use the machine")
    parser.add_argument("--only", choices=["cold", "warm", "search", "long"], nargs="+", help="some of the cases")
    parser.add_argument("--json", type=Path, help="file for machine, versions and every number")
    return parser.parse_args()


def main():
    given, found, results = parse(), machine(), []
    number = 1 if given.quick else given.rounds
    wanted = given.only or ["cold", "warm", "search", *(["long"] if given.all else [])]
    os.environ["OMP_NUM_THREADS"] = "1"
    pin()
    with tempfile.TemporaryDirectory(prefix="ravine-bench-") as name:
        folder = Path(name)
        # The list of fonts is the machine's, not a race's: it is there in both cases.
        os.environ.setdefault("MPLCONFIGDIR", str(folder / "fonts"))
        ravine(folder, 100, folder / "warm")
        ravine(folder, SHORT, folder / "warm")
        short = {}
        for case in ("cold", "warm"):
            if case in wanted:
                short = rounds(case, SHORT, number, folder, ("grid", "halving"))
                results.append(show(case, SHORT, short, given.by))
        if "long" in wanted:
            methods = () if given.quick else ("grid", "halving")
            long = rounds("warm", LONG, 1 if given.quick else max(1, number // 3), folder, methods)
            if given.quick:
                short = short or rounds("warm", SHORT, 1, folder, ("grid", "halving"))
                long |= {side: extrapolated(runs, SHORT, LONG) for side, runs in short.items() if side != "ravine"}
            results.append(show("warm", LONG, long, given.by))
        if "search" in wanted:
            found["search"] = against_search(folder, number, given.seeds)
    if given.json:
        given.json.write_text(json.dumps({**found, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
