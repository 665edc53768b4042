"""Cost of a lane-step as lanes and steps grow, memory beside its forecast, and what a second process gains.

The model is W2 of the fleet's benchmark: digits-sized 64-32-10, batch 64, Adam. Cost is CPU time from the first event
of a run to its last (evaluations and events included, compiling left out), median over repeats; linear cost is a slope
of 1.0 in a fit of log seconds over log lanes or log steps.

    python benchmarks/scale.py                            8 to 4,096 lanes and 100 to 10,000 steps
    python benchmarks/scale.py --mode stacked --out scale.png
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from memory import peak_mb
from ravine.fleet import Choice, Evaluations, Fleet, Lane, Past, Processes, WorkerPool, pack
from ravine.rules import registry
from ravine.schedules import create
from ravine.tasks import Task

LANES = (8, 32, 128, 512, 1024, 4096)
STEPS = (100, 300, 1000, 3000, 10_000)
STEPS_OF_LANES, LANES_OF_STEPS = 100, 16


def build():
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def make_task():
    generator = torch.Generator().manual_seed(0)

    def split(rows):
        return torch.randn(rows, 64, generator=generator), torch.randint(0, 10, (rows,), generator=generator)

    return Task("scale", build, split(1500), split(300), F.cross_entropy, batch_size=64)


def make_lanes(number):
    """Rates and seeds as in a race: the final has five seeds."""
    schedule, rates = create("cosine"), np.geomspace(1e-4, 1e-2, 12)
    result = []
    for index in range(number):
        rule, hypers = registry.resolve("adam", {"lr": float(rates[index % 12])})
        result.append(Lane(index, rule, hypers, schedule, index // 12 % 5))
    return result


def choose(fleet, lanes, steps, mode):
    """Calibration's choice, or the mode asked for with calibration's tiles."""
    if mode == "auto":
        return fleet.calibrate(lanes, steps)
    return Choice(mode, fleet.tile_size(lanes), "by hand")


def events_of(executor, lanes, steps, choice, task):
    marks = frozenset(np.linspace(0, steps, 6).astype(int).tolist())
    return executor.run(lanes, steps, Evaluations({"validation": marks}, {"validation": task.data.validation}), choice, Past())


def carry_out(fleet, lanes, steps, choice):
    """CPU and wall seconds of one run, what a run has to compile having been compiled by one before."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in events_of(fleet, lanes, steps, choice, fleet.task):
        pass
    return time.process_time() - cpu, time.perf_counter() - wall


def one_point(num_lanes, steps, mode, repeats):
    """One point in this process."""
    torch.set_num_threads(1)
    task = make_task()
    fleet, lanes = Fleet(task), make_lanes(num_lanes)
    carry_out(fleet, lanes[:2], 2, Choice("loop", 1, "warm-up"))
    before = peak_mb()
    choice = choose(fleet, lanes, steps, mode)
    carry_out(fleet, lanes, 2, choice)
    times = [carry_out(fleet, lanes, steps, choice) for _ in range(repeats)]
    cpu, wall = (statistics.median(each[part] for each in times) for part in (0, 1))
    return {
        "lanes": num_lanes,
        "steps": steps,
        "mode": choice.mode,
        "tile": choice.tile,
        "cpu_s": cpu,
        "wall_s": wall,
        "cpu_us": 1e6 * cpu / num_lanes / steps,
        "wall_us": 1e6 * wall / num_lanes / steps,
        "peak_mb": peak_mb() - before,
        "forecast_mb": fleet.memory(lanes, choice, {"validation": task.data.validation}) / 2**20,
    }


def in_process(options, num_lanes, steps, mode):
    """The same in a process of its own, whose peak of memory is this point's alone."""
    point = json.dumps([num_lanes, steps, mode, options.repeats])
    done = subprocess.run([sys.executable, __file__, "--point", point], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def slope(rows, what):
    """Exponent of CPU seconds in lanes or steps."""
    return float(np.polyfit(np.log([row[what] for row in rows]), np.log([row["cpu_s"] for row in rows]), 1)[0])


def show(rows):
    head = f"  {'lanes':>6} {'steps':>6} {'mode':>9} {'tile':>4} {'CPU us':>8} {'wall us':>8} {'CPU s':>7} {'peak MB':>8} {'forecast':>8}"
    print(head)
    for row in rows:
        print(
            f"  {row['lanes']:6} {row['steps']:6} {row['mode']:>9} {row['tile']:4} {row['cpu_us']:8.2f} {row['wall_us']:8.2f} "
            f"{row['cpu_s']:7.2f} {row['peak_mb']:8.0f} {row['forecast_mb']:8.0f}",
            flush=True,
        )


def workers(mode, num_lanes, steps):
    """Wall seconds with 1 and 2 worker processes, both started beforehand; ratio."""
    with tempfile.TemporaryDirectory() as folder:
        # What workers run must be importable by them: this file is.
        path = Path(folder) / "scaled.py"
        path.write_text(
            f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom scale import make_task\ntask = make_task()\n"
        )
        from ravine.tasks import load

        task = load(str(path))
        fleet, lanes = Fleet(task), make_lanes(num_lanes)
        choice, wall = choose(fleet, lanes, steps, mode), {}
        for number in (1, 2):
            with WorkerPool(fleet, number, Processes(pack(task), number)) as pool:
                list(events_of(pool, lanes, 2, choice, task))
                started = time.perf_counter()
                list(events_of(pool, lanes, steps, choice, task))
                wall[number] = time.perf_counter() - started
    return {"mode": choice.mode, "one_s": wall[1], "two_s": wall[2], "speed_up": wall[1] / wall[2]}


def draw(path, by_lanes, by_steps):
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for axis, rows, what in ((axes[0], by_lanes, "lanes"), (axes[1], by_steps, "steps")):
        axis.loglog(
            [row[what] for row in rows], [row["cpu_us"] for row in rows], marker="o", label=f"slope of the total {slope(rows, what):.3f}"
        )
        axis.set(xlabel=what, ylabel="CPU time of a lane-step, us")
        middle = statistics.median(row["cpu_us"] for row in rows)
        axis.set_ylim(middle / 4, middle * 4)
        axis.legend()
    axes[2].semilogx([row["lanes"] for row in by_lanes], [row["peak_mb"] for row in by_lanes], marker="o", label="measured")
    axes[2].semilogx([row["lanes"] for row in by_lanes], [row["forecast_mb"] for row in by_lanes], marker="s", label="forecast")
    axes[2].set(xlabel="lanes", ylabel="peak memory of the fleet, MB", ylim=(0, None))
    axes[2].legend()
    figure.savefig(path, dpi=130)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", default="auto", help="how lanes are run; what calibration picks when left out")
    parser.add_argument("--most-lanes", type=int, default=LANES[-1])
    parser.add_argument("--most-steps", type=int, default=STEPS[-1])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a PNG or SVG of the curves")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-workers", action="store_true", help="leave out the runs with one and two processes")
    parser.add_argument("--point", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        print(json.dumps(one_point(*json.loads(options.point))))
        return
    # Calibration picks once, for the largest run, so that a curve is of one mode.
    torch.set_num_threads(1)
    lanes = make_lanes(options.most_lanes)
    choice = choose(Fleet(make_task()), lanes, STEPS_OF_LANES, options.mode)
    print(f"{choice.mode}, tiles of {choice.tile}: {choice.reason}")
    by_lanes = [in_process(options, number, STEPS_OF_LANES, choice.mode) for number in LANES if number <= options.most_lanes]
    show(by_lanes)
    by_steps = [in_process(options, LANES_OF_STEPS, number, choice.mode) for number in STEPS if number <= options.most_steps]
    show(by_steps)
    print(f"  slope over lanes {slope(by_lanes, 'lanes'):.3f}, over steps {slope(by_steps, 'steps'):.3f} (linear is 1.0)")
    whole = [row for row in by_lanes if row["lanes"] >= row["tile"]]
    if 1 < len(whole) < len(by_lanes):
        print(f"  slope over lanes from a whole tile on {slope(whole, 'lanes'):.3f}: a stack that is not full costs its calls all the same")
    result = {"lanes": by_lanes, "steps": by_steps}
    if not options.no_workers:
        result["workers"] = workers(choice.mode, min(512, options.most_lanes), 400)
        print("  one worker {one_s:.1f} s, two {two_s:.1f} s: {speed_up:.2f} times as fast".format(**result["workers"]))
    if options.out:
        draw(options.out, by_lanes, by_steps)
    if options.json:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        options.json.write_text(json.dumps({"machine": machine, "mode": choice.mode, **result}, indent=1))


if __name__ == "__main__":
    main()
