"""One optimiser step, without forward and backward: every library in turn on the same parameters, on one core.

A side is one library's class over tensors of the given sizes with gradients that stand still. All sides step in turn,
round after round; printed are medians, the ratio to each kind's first side, and, where the kind is bound by memory,
the bytes that a step must move over the bandwidth of a copy measured in the same rounds.

    python benchmarks/optim_step.py                        every kind at 1 M parameters and AdamW at 25 M
    python benchmarks/optim_step.py adamw lion --size 25e6
    python benchmarks/optim_step.py --shapes transformer   the tensors of a small GPT instead of 100 equal ones
"""

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
import types
import warnings
from pathlib import Path

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
os.environ["OMP_NUM_THREADS"] = "1"

import torch

from optim_sides.libraries import BYTES, KINDS

TENSORS = 100
MATRIX_KINDS = ("muon", "soap", "adafactor")
WARM_UPS = 2


def equal_shapes(size, kind):
    """100 tensors; matrices as square as the kind needs."""
    rows = max(1, round((size / TENSORS) ** 0.5)) if kind in MATRIX_KINDS else 1
    columns = round(size / TENSORS / rows)
    # Whole blocks of 8-bit state, as the tensors of large models mostly are.
    return [(rows, columns)] * TENSORS if rows > 1 else [(max(1, round(columns / 256)) * 256,)] * TENSORS


def transformer_shapes(size, kind):
    """A GPT of six layers, as wide as the number of parameters asks for; matrices alone for kinds that take nothing else."""
    width = 64 * max(1, round((size / (6 * 12)) ** 0.5 / 64))
    layer = [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
    vectors = [(3 * width,), (width,), (4 * width,), (width,)] + [(width,)] * 4
    return (layer if kind == "muon" else layer + vectors) * 6


class Side:
    """An optimizer over its own parameters."""

    def __init__(self, build, shapes):
        generator = torch.Generator().manual_seed(0)
        self.params = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
        for param in self.params:
            param.grad = torch.randn(param.shape, generator=generator)
        before = time.perf_counter()
        self.optimizer = build(self.params)
        if hasattr(self.optimizer, "train") and callable(self.optimizer.train):
            self.optimizer.train()
        self._take(WARM_UPS)
        self.setup_s = time.perf_counter() - before
        self.walls, self.cpus = [], []

    def _take(self, times):
        for _ in range(times):
            # HeavyBall consumes gradients: it needs them back, which costs a pointer.
            grads = [param.grad for param in self.params]
            self.optimizer.step()
            for param, grad in zip(self.params, grads, strict=True):
                param.grad = grad

    def step(self, times):
        wall, cpu = time.perf_counter(), time.process_time()
        self._take(times)
        self.walls.append((time.perf_counter() - wall) / times)
        self.cpus.append((time.process_time() - cpu) / times)


def copying(size):
    """Bytes a second of copying as many floats."""
    source, target = torch.randn(int(size)), torch.empty(int(size))

    def rate():
        before = time.perf_counter()
        target.copy_(source)
        return 8 * size / (time.perf_counter() - before)

    rate()
    return rate


def build_sides(kind, shapes, only):
    sides = {}
    for name, build in KINDS[kind].items():
        if only and not any(part in name for part in only):
            continue
        try:
            sides[name] = Side(build, shapes)
        except Exception as error:  # another library's class may be missing, or refuse this machine
            print(f"  {name:22} left out: {type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''}")
    return sides


def run(kind, size, shapes_of, rounds, only):
    shapes = shapes_of(size, kind)
    number = sum(torch.Size(shape).numel() for shape in shapes)
    print(f"\n{kind}: {number / 1e6:.3g} M parameters in {len(shapes)} tensors")
    sides, rate = build_sides(kind, shapes, only), copying(max(number, 4e6))
    times = max(1, round(2e6 / number))
    rates = []
    for _ in range(rounds):
        rates.append(rate())
        for side in sides.values():
            side.step(times)
    bandwidth = statistics.median(rates)
    rows = [row(kind, name, side, number, bandwidth) for name, side in sides.items()]
    first = rows[0]["wall_ms"] if rows else 1.0
    print(f"  {'':22} {'ms':>9} {'CPU ms':>9} {'ns/param':>9} {'time over':>10} {'of copy':>8} {'set-up s':>9}")
    for each in rows:
        share = "" if each["share"] is None else f"{each['share']:.0%}"
        numbers = f"{each['wall_ms']:9.3f} {each['cpu_ms']:9.3f} {each['ns']:9.2f} {each['wall_ms'] / first:10.2f}"
        print(f"  {each['side']:22} {numbers} {share:>8} {each['setup_s']:9.1f}")
    print(f"  a copy moves {bandwidth / 1e9:.1f} GB/s; ratios are times over the first side's")
    return {"kind": kind, "parameters": number, "bandwidth": bandwidth, "rows": rows}


def row(kind, name, side, number, bandwidth):
    wall, cpu = statistics.median(side.walls), statistics.median(side.cpus)
    size = BYTES.get("adamw" if "fp32" in name else kind)
    share = None if size is None else size * number / wall / bandwidth
    return {"side": name, "wall_ms": 1e3 * wall, "cpu_ms": 1e3 * cpu, "ns": 1e9 * wall / number, "share": share, "setup_s": side.setup_s}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--size", type=float, nargs="+", help="parameters, such as 1e6 25e6 1e8")
    parser.add_argument("--shapes", choices=["equal", "transformer"], default="equal")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+", metavar="PART", help="sides by parts of their names")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    unknown = [kind for kind in given.kinds if kind not in KINDS]
    if unknown:
        parser.error(f"unknown kind {unknown[0]!r}: must be among {', '.join(KINDS)}")
    torch.set_num_threads(1)
    torch._dynamo.config.cache_size_limit = 64
    # timm's package imports torchvision, which its optimisers do without.
    find_timm()
    warnings.simplefilter("ignore")
    shapes_of = transformer_shapes if given.shapes == "transformer" else equal_shapes
    wanted = [(kind, size) for kind in given.kinds or KINDS for size in given.size or (1e6,)]
    if not given.kinds and not given.size:
        wanted += [("adamw", 25e6), ("adamw 8-bit", 25e6)]
    results = []
    for kind, size in wanted:
        results.append(run(kind, size, shapes_of, given.rounds, given.only))
        gc.collect()
    if given.json:
        facts = {"machine": platform.processor() or platform.machine(), "python": sys.version.split()[0], "torch": torch.__version__}
        given.json.write_text(json.dumps({**facts, "results": results}, indent=1) + "\n")


def find_timm():
    """Make `timm.optim` importable without the rest of timm."""
    import importlib.util

    found = importlib.util.find_spec("timm")
    if found is None or not found.submodule_search_locations:
        return
    root = Path(found.submodule_search_locations[0])
    for name, folder in (("timm", root), ("timm.optim", root / "optim")):
        if name not in sys.modules:
            module = types.ModuleType(name)
            module.__path__ = [str(folder)]
            sys.modules[name] = module


if __name__ == "__main__":
    main()
