"""The whole machine: one pinned process a core, all running the same side at the same time; JAX also with its own threads."""

import json
import os
import statistics
import subprocess
import sys
import time

from fleet_sides import measuring, pinning

OWN_THREADS = "JAX, its own threads"


class Worker:
    """A process that builds every side of a workload and runs one when told to."""

    def __init__(self, script, cores, options):
        self.process = subprocess.Popen(
            [sys.executable, script, "--worker", "--device", options.device, *(["--only", *options.only] if options.only else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"RAVINE_BENCH_CORES": ",".join(map(str, cores))},
        )

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker process ended (exit code {self.process.wait()})")
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def serve(build, *, only_jax):
    """What a worker does: obey lines of JSON until there are no more.

    Args:
        build: (workload, only JAX) -> (sides, reasons of what was left out, choice).
        only_jax: for the worker that has several cores.
    """
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sides, blocks = {}, {}
    for line in sys.stdin:
        command = json.loads(line)
        if "build" in command:
            sides = {}
            sides, left_out, chosen = build(command["build"], only_jax)
            blocks = {label: measuring.block_of(side, 0.05) for label, side in sides.items()}
            reply = {"sides": list(sides), "left_out": left_out, "chosen": chosen}
        else:
            reply = run_for(sides[command["side"]], blocks[command["side"]], command["seconds"])
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def run_for(side, block, seconds):
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        side.run(block)
        done += block
    return {"lane_steps": done * side.lanes, "seconds": time.perf_counter() - started}


def compare(script, names, options):
    """Lane-steps a second of the machine, for every workload and side."""
    cores = pinning.AVAILABLE if options.processes is None else pinning.AVAILABLE[: options.processes]
    pinned = [Worker(script, [core], options) for core in cores]
    unpinned = [Worker(script, cores, options)] if len(cores) > 1 else []
    results = []
    try:
        for name in names:
            for worker in pinned + unpinned:
                worker.tell(build=name)
            built, free = [worker.answer() for worker in pinned], [worker.answer() for worker in unpinned]
            common = [side for side in built[0]["sides"] if all(side in answer["sides"] for answer in built)]
            for answer in built[:1]:
                for side, reason in answer["left_out"].items():
                    print(f"  {name} {side}: left out ({reason})")
            teams = {side: (pinned, side) for side in common}
            if free and "JAX" in free[0]["sides"]:
                teams[OWN_THREADS] = (unpinned, "JAX")
            results.append(_one(name, teams, options, len(cores), built[0]["chosen"]))
    finally:
        for worker in pinned + unpinned:
            worker.end()
    return results


def _one(name, teams, options, processes, chosen):
    rates = {label: [] for label in teams}
    for _ in range(options.repeats):
        for label, (team, side) in teams.items():
            for worker in team:
                worker.tell(side=side, seconds=options.seconds)
            answers = [worker.answer() for worker in team]
            rates[label].append(sum(answer["lane_steps"] / answer["seconds"] for answer in answers))
    median = {label: statistics.median(values) for label, values in rates.items()}
    jax = max((median[label] for label in ("JAX", OWN_THREADS) if label in median), default=None)
    print(f"\n{name}, {processes} processes: lane-steps a second of the machine (calibration chose {chosen})")
    print(f"  {'':22} {'processes':>9} {'lane-steps/s':>13} {'quartiles':>21} {'x loop':>7} {'x JAX':>6}")
    for label, values in rates.items():
        lower, _, upper = measuring.quartiles(values)
        over_jax = f"{median[label] / jax:6.2f}" if jax else "     -"
        spread = f"{lower:.4g}-{upper:.4g}"
        count = len(teams[label][0])
        print(f"  {label:22} {count:9d} {median[label]:13.4g} {spread:>21} {median[label] / median['eager loop']:7.2f} {over_jax}")
    return {"workload": name, "processes": processes, "chosen": chosen, "lane_steps_per_second": rates}
