"""What Ray costs beyond processes of the same machine: one stage of the digits race on both, in turn.

Both run the same lanes, cut into the same shards, in the same mode, on as many workers as there are cores (`--workers`).
A round is one run of all lanes on workers that are there; which side begins changes from round to round. What comes
before is stated by itself: Ray's own start, and on both sides the first run, which starts the workers and lets each
import torch and build its native code.

Beside the time stands the processor time of the workers and of the caller: on a machine with other work the time alone
tells little, since Ray's processes are a session of their own, to which some kernels give a share of their own.

    python benchmarks/ray_overhead.py [--rounds 7] [--steps 1000] [--out FILE.json]
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from ravine.cluster import connected
from ravine.fleet import Evaluations, Fleet, LossBlock, Past, Processes, WorkerPool, fingerprint, pack
from ravine.race.executors import available_cores
from ravine.race.plan import make_plan
from ravine.tasks import load

TARGET = 1.10
"""Most time over that of local workers that is accepted."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--task", default="digits")
    parser.add_argument("--out")
    options = parser.parse_args()
    if importlib.util.find_spec("ray") is None:
        print("Ray is not installed: pip install 'ravine[ray]'")
        return
    torch.set_num_threads(1)
    facts = measure(options)
    print(table(facts))
    if options.out:
        with open(options.out, "w") as file:
            json.dump(facts, file, indent=2)


def measure(options):
    task = load(options.task)
    fleet = Fleet(task)
    plan = make_plan(task, steps=options.steps, seeds=options.seeds)
    settings = [(one, setting, seed) for one in plan.entrants for setting in one.settings()[4:6] for seed in range(1, options.seeds + 1)]
    lanes = [one.entry("final", number, setting, seed).lane for number, (one, setting, seed) in enumerate(settings)]
    evaluations = Evaluations({"validation": frozenset(plan.evaluation_steps)}, {"validation": task.data.validation})
    choice = fleet.calibrate(lanes, options.steps, evaluations)
    facts = {"task": options.task, "lanes": len(lanes), "steps": options.steps, "workers": options.workers, "mode": choice.mode}
    facts |= {"shards": len(fleet.tiles(lanes, choice, options.workers)), "machine": platform.platform()}
    facts |= {"versions": {"torch": torch.__version__, "ray": importlib.metadata.version("ray"), "python": platform.python_version()}}

    def run(pool):
        losses, started, spent = {}, time.perf_counter(), processor_s(pool)
        for event in pool.run(lanes, options.steps, evaluations, choice, Past()):
            if isinstance(event, LossBlock):
                losses[event.lanes, event.first_step] = event.losses
        return time.perf_counter() - started, processor_s(pool) - spent, losses

    started = time.perf_counter()
    with connected("local", options.workers) as cluster:
        facts["ray_start_s"] = time.perf_counter() - started
        local = WorkerPool(fleet, options.workers, Processes(pack(task), options.workers))
        with local, WorkerPool(fleet, options.workers, cluster.site(task, fingerprint(task))) as far:
            sides = {"local": local, "ray": far}
            facts["first_run_s"] = {name: run(pool)[0] for name, pool in sides.items()}
            times, processor = {name: [] for name in sides}, {name: [] for name in sides}
            for number in range(options.rounds):
                curves = {}
                for name in sorted(sides, reverse=bool(number % 2)):
                    seconds, spent, curves[name] = run(sides[name])
                    times[name].append(seconds)
                    processor[name].append(spent)
                facts["bits_are_equal"] = facts.get("bits_are_equal", True) and equal(curves)
    ratios = [far / near for near, far in zip(times["local"], times["ray"], strict=True)]
    medians = {name: statistics.median(each) for name, each in times.items()}
    facts |= {"processor_s": processor, "processor_ratio": median_ratio(processor)}
    return facts | {"times_s": times, "median_s": medians, "ratio": statistics.median(ratios), "ratios": ratios}


def median_ratio(sides):
    return statistics.median(far / near for near, far in zip(sides["local"], sides["ray"], strict=True))


def processor_s(pool):
    """Processor seconds of the caller, and of the workers that are there (Linux)."""
    links = [worker.link for worker in pool._workers]
    pids = [link._process.pid if hasattr(link, "_process") else link._hello.pid for link in links]
    ticks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in pids]
    return time.process_time() + sum(int(part) for pair in ticks for part in pair) / os.sysconf("SC_CLK_TCK")


def equal(curves):
    """Whether every lane has the same losses, however they were cut into blocks."""
    whole = {}
    for name, blocks in curves.items():
        lanes = {}
        for (numbers, _), losses in sorted(blocks.items(), key=lambda item: item[0][1]):
            for column, number in enumerate(numbers):
                lanes.setdefault(number, []).append(losses[:, column])
        whole[name] = {number: np.concatenate(parts).tobytes() for number, parts in lanes.items()}
    return whole["local"] == whole["ray"]


def table(facts):
    near, far = facts["median_s"]["local"], facts["median_s"]["ray"]
    verdict, first = "met" if facts["ratio"] <= TARGET else "missed", facts["first_run_s"]
    return "\n".join(
        [
            f"{facts['task']}: {facts['lanes']} lanes of {facts['steps']} steps, {facts['mode']}, {facts['shards']} shards, "
            f"{facts['workers']} workers; bits equal: {facts['bits_are_equal']}",
            f"  local workers  {near:7.2f} s   first run {first['local']:6.2f} s",
            f"  Ray actors     {far:7.2f} s   first run {first['ray']:6.2f} s, after {facts['ray_start_s']:.2f} s for Ray itself",
            f"  processor time {facts['processor_ratio']:7.3f}     of that of local workers, the caller's included",
            f"  ratio          {facts['ratio']:7.3f}     (median of {len(facts['ratios'])} pairs; at most {TARGET:.2f}: {verdict})",
        ]
    )


if __name__ == "__main__":
    main()
