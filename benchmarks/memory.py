"""Peak memory of a fleet beside its forecast, each case in a process of its own.

Measured is the largest resident size while lanes are trained and evaluated, less what the process held before the
fleet was built, a training step of another model included (what torch loads at its first step is no fleet's).

    python benchmarks/memory.py                        every case, stacked and as a loop
    python benchmarks/memory.py mlp --mode compiled    one case, compiled
"""

import argparse
import itertools
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch import nn
from torch.nn import functional as F

from ravine.fleet import Choice, Evaluations, Fleet, Lane
from ravine.rules import registry
from ravine.schedules import create
from ravine.tasks import Task


class Attention(nn.Module):
    """A transformer of two layers over 32 tokens, its attention written out."""

    def __init__(self, width=128, heads=4, layers=2, vocabulary=96):
        super().__init__()
        self.embedding, self.head = nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "qkv": nn.Linear(width, 3 * width),
                    "out": nn.Linear(width, width),
                    "up": nn.Linear(width, 4 * width),
                    "down": nn.Linear(4 * width, width),
                    "first": nn.LayerNorm(width),
                    "second": nn.LayerNorm(width),
                }
            )
            for _ in range(layers)
        )
        self.heads = heads

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            parts = layer["qkv"](layer["first"](x)).chunk(3, dim=-1)
            q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for part in parts)
            weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
            x = x + layer["out"]((weights @ v).transpose(-2, -3).flatten(-2))
            x = x + layer["down"](F.gelu(layer["up"](layer["second"](x))))
        return self.head(x.mean(-2))


def dense(*widths):
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def convolutions():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(784, 10),
    )


def numbers(*shape):
    return lambda rows: torch.randn(rows, *shape)


# name: (factory, inputs of so many rows, classes, batch size, lanes)
CASES = {
    "mlp": (lambda: dense(64, 32, 10), numbers(64), 10, 64, 512),
    "mnist": (lambda: dense(784, 128, 64, 10), numbers(784), 10, 64, 64),
    "cnn": (convolutions, numbers(1, 28, 28), 10, 64, 32),
    "transformer": (Attention, lambda rows: torch.randint(0, 96, (rows, 32)), 96, 16, 16),
}


def peak_mb():
    """Peak of this process. Not `ru_maxrss`, which a process inherits from the one that started it (Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024


def warm_up():
    """A step and an evaluation of another model: torch loads its kernels, and allocators take their first blocks."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 2))
    model(torch.randn(2, 1, 8, 8)).sum().backward()
    torch.func.vmap(torch.func.grad(lambda w, x: (x @ w).sum()))(torch.randn(2, 3, 3), torch.randn(2, 3, 3))


def run_case(name, mode, seeds):
    """One case in this process: the forecast and the measured peak, in MB."""
    torch.set_num_threads(1)
    build, inputs, classes, batch, num_lanes = CASES[name]

    def split(rows):
        return inputs(rows), torch.randint(0, classes, (rows,))

    warm_up()
    before = peak_mb()
    task = Task(name, build, split(4000), split(1000), F.cross_entropy, batch_size=batch)
    fleet, schedule = Fleet(task), create("constant")
    rule, hypers = registry.resolve("adam", {"lr": 1e-3})
    lanes = [Lane(number, rule, hypers, schedule, number % seeds) for number in range(num_lanes)]
    choice = Choice(mode, num_lanes, "by hand")
    splits = {"validation": task.data.validation}
    forecast = fleet.memory(lanes, choice, splits) / 2**20
    for _ in fleet.run(lanes[: 2 if mode == "loop" else None], 6, Evaluations({"validation": frozenset({0, 3, 6})}, splits), choice):
        pass
    return {"case": name, "mode": mode, "seeds": seeds, "lanes": num_lanes, "forecast_mb": forecast, "measured_mb": peak_mb() - before}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="|".join(CASES))
    parser.add_argument("--mode", action="append", help="loop, stacked or compiled; more than once for several")
    parser.add_argument("--seeds", type=int, default=1, help="seeds among the lanes; more than one gives every lane its own batch")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    modes = options.mode or ["stacked", "loop"]
    if options.here:
        print(json.dumps(run_case(options.cases[0], modes[0], options.seeds)))
        return
    print(f"{'case':12} {'mode':9} {'lanes':>5} {'forecast MB':>12} {'measured MB':>12} {'ratio':>6}")
    for name in options.cases:
        for mode in modes:
            command = [sys.executable, __file__, name, "--mode", mode, "--seeds", str(options.seeds), "--here"]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
            ratio = row["forecast_mb"] / row["measured_mb"]
            print(f"{name:12} {mode:9} {row['lanes']:5} {row['forecast_mb']:12.0f} {row['measured_mb']:12.0f} {ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
