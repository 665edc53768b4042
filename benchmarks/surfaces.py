"""Seconds of two commands, process start and picture included: all optimisers tuned on a surface, and a slice of 51 x 51 points.

The slice is of a digits model that has been trained before. Each is run several times; wall time says what a person waits, processor
time what it costs where other work shares the machine.

    python benchmarks/surfaces.py
    python benchmarks/surfaces.py --repeats 1
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
from pathlib import Path

import torch

LIMIT_S = 10.0
CASES = {
    "race": ["surface", "rosenbrock", "--optimizers", "all", "--tuned", "-o", "race.png"],
    "slice": ["surface", "slice:digits", "--of", "trained", "--points", "51", "-o", "slice.png"],
}


def ravine(arguments, folder):
    """Wall and processor seconds of one command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "ravine", *arguments], check=True, capture_output=True, cwd=folder, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    found = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__, "limit_s": LIMIT_S}
    with tempfile.TemporaryDirectory() as folder:
        ravine(["train", "digits", "--steps", "1000", "--out", "trained", "--no-check"], folder)
        print(f"{'case':8} {'wall s':>8} {'cpu s':>8}  of at most {LIMIT_S:g} s")
        for name, arguments in CASES.items():
            times = [ravine([*arguments, *(["--force"] if Path(folder, arguments[-1]).exists() else [])], folder) for _ in range(repeats)]
            wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
            found[name] = {"wall_s": wall, "cpu_s": cpu, "repeats": repeats}
            print(f"{name:8} {wall:8.2f} {cpu:8.2f}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
