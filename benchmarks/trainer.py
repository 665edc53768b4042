"""Time of a training step of `ravine.train` beside the same loop written out, Lightning and the Trainer of transformers.

Every side is a process of its own on one and the same core; they take turns of a tenth of a second, round after round. All
train the same model from the same weights on the same batches, held in memory, with AdamW, warm-up and cosine, and clipping
to a norm of 1; five steps on, all must have moved equally far. Evaluation, checkpoints, logging and progress are off (Lightning
is `barebones`). Printed are medians, and medians over the rounds of the ratio of two sides in one round.

    python benchmarks/trainer.py                     two MLPs, a CNN and a GPT
    python benchmarks/trainer.py digits --quick
    python benchmarks/trainer.py gpt --clip 0 --precision bf16 --sides plain ravine.train
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

FOLDER = Path(__file__).parent / "trainer_sides"
CASES = {"digits": 200, "mnist": 100, "cnn": 10, "gpt": 4}
"""Steps of a turn."""
PLAIN, PLAIN_OWN, OWN, OWN_TORCH = "plain loop, torch's AdamW", "plain loop, ravine's AdamW", "ravine.train", "ravine.train, torch's AdamW"
BATCHES = "ravine's batches alone"
SIDES = (PLAIN, PLAIN_OWN, OWN_TORCH, OWN, "Lightning", "HF Trainer", BATCHES)
MORE = ("Lightning, ravine's AdamW", "HF Trainer, ravine's AdamW", "Lightning, DataLoader", "HF Trainer, DataLoader")
TOLERANCE = 1e-4
"""By which the sides may differ in how far they have moved."""
TARGETS = {"overhead": 1.03, "batches": 0.05}


class Side:
    """A process that trains when it is told to."""

    def __init__(self, name, case, settings):
        self.name, self.walls, self.cpus = name, [], []
        command = [sys.executable, FOLDER / "side.py", name, case, json.dumps(settings)]
        # A file, not a pipe: trainers talk, and nobody listens until one has failed.
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process is
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(0)
            said = self.said.read().strip().splitlines()
            raise SystemExit(f"{self.name} ended: {said[-1] if said else 'without a word'}")
        return json.loads(line)

    def turn(self):
        print("go", file=self.process.stdin, flush=True)
        return self.read()

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.said.close()


def measure(case, names, given):
    """Seconds of wall and CPU time a step, of every side in every round."""
    block, rounds, options = CASES[case], given.rounds, ("clip", "precision", "cores")
    # From 2,000 steps on, ravine.train has native code.
    steps = max(2000, 40 + block * (rounds + 2))
    settings = {"steps": steps, "block": block} | {name: getattr(given, name) for name in options}
    sides = [Side(name, case, settings) for name in names]
    for side in sides:
        side.distance = side.read()["distance"]
    check([side for side in sides if side.distance is not None and "DataLoader" not in side.name])
    for number in range(rounds + 1):
        for side in sides:
            took = side.turn()
            if number:
                side.walls.append(took["wall"] / block)
                side.cpus.append(took["cpu"] / block)
    for side in sides:
        side.end()
    return {side.name: side for side in sides}


def check(sides):
    """All must train the same; those with a loader of their own draw another order."""
    first = sides[0]
    for side in sides:
        if not abs(side.distance / first.distance - 1) < TOLERANCE:
            raise SystemExit(f"{side.name} trains something else: five steps moved it by {side.distance}, {first.name} by {first.distance}")


def ratio(one, other, kind):
    """Median over the rounds of one side's time over the other's."""
    return statistics.median(a / b for a, b in zip(getattr(one, kind), getattr(other, kind), strict=True))


def show(case, sides):
    """A table of one case and its verdicts, by CPU time; the same as data."""
    plain, own = sides.get(PLAIN), sides.get(OWN)
    print(f"  {'':30} {'us wall':>9} {'us CPU':>9} {'/ plain, torch':>15} {'/ plain, ravine':>15} {'ravine.train is':>16}")
    rows = []
    for name, side in sides.items():
        row = {"side": name, "wall_us": 1e6 * statistics.median(side.walls), "cpu_us": 1e6 * statistics.median(side.cpus)}
        for key, other in (("over_plain", plain), ("over_plain_own", sides.get(PLAIN_OWN))):
            row[key] = None if other is None else ratio(side, other, "cpus")
        row["over_own"] = None if own is None else ratio(side, own, "cpus")
        rows.append(row | {"walls": side.walls, "cpus": side.cpus})
        ratios = ["" if value is None or name == BATCHES else f"{value:.3f}" for value in (row["over_plain"], row["over_plain_own"])]
        times = f"{row['over_own']:10.2f} times" if row["over_own"] is not None and name not in (BATCHES, OWN) else ""
        print(f"  {name:30} {row['wall_us']:9.1f} {row['cpu_us']:9.1f} {ratios[0]:>15} {ratios[1]:>15} {times}")
    verdicts = judged(sides)
    for what, (value, is_met) in verdicts.items():
        print(f"  {'met' if is_met else 'MISSED'}: {what}: {value:.3f}")
    return {"case": case, "rows": rows, "verdicts": {what: {"value": value, "met": is_met} for what, (value, is_met) in verdicts.items()}}


def judged(sides):
    """The targets of those sides that were run."""
    found = {}
    for own, plain, said in ((OWN, PLAIN_OWN, "ravine's AdamW"), (OWN_TORCH, PLAIN, "torch's AdamW")):
        if own in sides and plain in sides:
            value = ratio(sides[own], sides[plain], "cpus")
            found[f"over the plain loop, both with {said} (at most {TARGETS['overhead']})"] = value, value <= TARGETS["overhead"]
    for name, side in sides.items():
        if OWN in sides and name.startswith(("Lightning", "HF")):
            value = ratio(side, sides[OWN], "cpus")
            found[f"times as fast as {name} (above 1)"] = value, value > 1
    if OWN in sides and BATCHES in sides:
        value = ratio(sides[BATCHES], sides[OWN], "cpus")
        found[f"share of the step spent on its batch (at most {TARGETS['batches']})"] = value, value <= TARGETS["batches"]
    return found


def machine():
    """What the figures were measured on."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    versions = {package: version(package) for package in ("torch", "lightning", "transformers", "accelerate", "ravine")}
    return {"processor": name, "load": os.getloadavg(), "system": platform.platform(), "python": platform.python_version()} | versions


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="nine rounds")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradients; 0 for no clipping")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--sides", nargs="+", metavar="PART", help=f"sides by beginnings of their names; also {'; '.join(MORE)}")
    parser.add_argument("--json", type=Path, help="file for machine, versions and every number")
    given = parser.parse_args()
    unknown = [case for case in given.cases if case not in CASES]
    if unknown:
        parser.error(f"unknown case {unknown[0]!r}: must be among {', '.join(CASES)}")
    if given.quick:
        given.rounds = 9
    given.cores = sorted(os.sched_getaffinity(0))[-1:] if hasattr(os, "sched_getaffinity") else []
    return given


def wanted(given):
    """Names of the sides, those left out that are not installed."""
    names = [name for name in (*SIDES, *MORE) if name.startswith(tuple(given.sides))] if given.sides else SIDES
    missing = [prefix for prefix, package in (("Lightning", "lightning"), ("HF", "transformers")) if version(package) is None]
    for prefix in missing:
        print(f"{prefix} is not installed and left out")
    return [name for name in names if not name.startswith(tuple(missing))] if missing else names


def main():
    given, results = parse(), []
    names = wanted(given)
    for case in given.cases or CASES:
        print(f"\n{case}, clip {given.clip:g}, {given.precision}, {given.rounds} rounds of {CASES[case]} steps")
        results.append(show(case, measure(case, names, given)))
    if given.json:
        facts = {**machine(), "clip": given.clip, "precision": given.precision}
        given.json.write_text(json.dumps({**facts, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
