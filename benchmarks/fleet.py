"""Microseconds per lane-step of the fleet, the eager loop, the compiled loop and JAX, in turn in one call.

A lane-step is forward, backward and Adam of one network on one batch. One core is used: the process pins itself.
Every side starts from the same weights and takes the same batches; their first losses are compared before anything
is timed. A side's figure is that of one call's worth of lanes that all train to the end.

    python benchmarks/fleet.py                 W1, W2, W3
    python benchmarks/fleet.py --all           W1 to W5
    python benchmarks/fleet.py W2 --json FILE  one workload; machine, versions and every number to FILE
    python benchmarks/fleet.py --whole         one process a core, lane-steps a second of the machine
    python benchmarks/fleet.py --device cuda   the same sides on a GPU
    python benchmarks/fleet.py W5 --by cpu --only native JAX   few sides, judged by CPU time: where others use the machine
"""

import argparse
import json
import os
import platform
from importlib import metadata
from pathlib import Path

from fleet_sides import pinning

import torch  # isort: skip - reads what pinning has set

from fleet_sides import measuring, ravine_side, roofline, torch_sides, whole
from fleet_sides.workloads import BYTES_PER_PARAMETER, DEFAULT, WORKLOADS


class Sides:
    """The sides of one workload, built one after the other; what cannot be built is left out with its reason.

    Args:
        name: of the workload.
        options: of the command line.
        only_jax: build nothing else.
    """

    def __init__(self, name, options, *, only_jax=False):
        self.workload, self.device = WORKLOADS[name], torch.device(options.device)
        self.sides, self.left_out, self.chosen, self.reason = {}, {}, "", ""
        self.only = options.only
        self.engine = ravine_side.Engine(self.workload, self.device)
        self.model = self.engine.model()
        if not only_jax:
            self._torch()
            self._ravine()
        self._add("JAX", self._jax)

    def _add(self, label, build):
        if self.only and label != "eager loop" and not any(part in label for part in self.only):
            return
        try:
            self.sides[label] = build()
        except Exception as error:  # a side that a machine cannot run must not end the comparison of the others
            line = next((line for line in str(error).splitlines() if line.strip()), "")
            self.left_out[label] = f"{type(error).__name__}: {line[:120]}"

    def _torch(self):
        arguments = self.workload, self.model, self.engine.order_seed
        self._add("eager loop", lambda: torch_sides.EagerLoop(*arguments))
        self._add("compiled loop", lambda: torch_sides.CompiledLoop(*arguments))

    def _ravine(self):
        size = self.engine.tile_size()
        support = self.engine.fleet.support
        for mode in self.engine.modes():
            if mode in ("stacked", "compiled") and not support.stackable:
                self.left_out[f"ravine {mode}"] = f"cannot be stacked: {support.reason}"
            else:
                self._add(f"ravine {mode}", lambda mode=mode: ravine_side.RavineSide(self.engine, mode, size))
        if self.only and "ravine" not in self.only:
            return
        try:
            choice = self.engine.choice()
        except Exception as error:  # as above
            self.left_out["ravine chosen"] = f"{type(error).__name__}: {str(error)[:120]}"
            return
        self.chosen, self.reason = f"ravine {choice.mode}", choice.reason
        if choice.mode not in ravine_side.ONE_LANE and choice.tile != size:
            self.chosen = "ravine chosen"
            self._add("ravine chosen", lambda: ravine_side.RavineSide(self.engine, choice.mode, choice.tile))

    def _jax(self):
        from fleet_sides.jax_side import JaxSide

        if self.device.type == "cuda":
            import jax

            jax.config.update("jax_default_device", jax.devices("cuda")[0])
        return JaxSide(self.workload, self.model, self.engine.order_seed)


def compare(name, options, roof):
    """One workload on one core."""
    built = Sides(name, options)
    workload = built.workload
    print(f"\n{name}: {workload.title}")
    for side, reason in built.left_out.items():
        print(f"  {side}: left out ({reason})")
    gaps = measuring.check_same_training(built.sides)
    print(f"  first {measuring.CHECKED_STEPS} losses agree to {max(gaps.values()):.1e}")
    table = measuring.rows(built.sides, measuring.measure(built.sides, options.repeats, options.seconds))
    parameters = sum(p.numel() for p in built.model.parameters())
    bound, limit = roof.bound(workload.flops, BYTES_PER_PARAMETER * parameters)
    measuring.show(table, bound, limit)
    if built.chosen:
        print(f"  calibration chose {built.chosen}: {built.reason}")
    words, checks = measuring.verdict(workload, table, bound, built.chosen, options.by)
    print(*words, sep="\n")
    tried = getattr(built.sides.get("JAX"), "tried", {})
    return {
        "workload": name,
        "title": workload.title,
        "flops": workload.flops,
        "parameters": parameters,
        "bound_us": bound,
        "bound_by": limit,
        "chosen": built.chosen,
        "reason": built.reason,
        "left_out": built.left_out,
        "loss_gaps": gaps,
        "jax_tried_us": tried,
        "rows": measuring.as_data(table),
        "verdict": checks,
    }


def machine(device):
    """What the figures were measured on."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    versions = {}
    for package in ("torch", "numpy", "jax", "jaxlib", "optax", "ravine"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    result = {
        "processor": name,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "cores": len(pinning.AVAILABLE),
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "xla_flags": pinning.JAX_FLAGS,
    }
    return result | ({"gpu": torch.cuda.get_device_name()} if device == "cuda" else {})


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", metavar="|".join(WORKLOADS))
    parser.add_argument("--all", action="store_true", help="every workload")
    parser.add_argument("--whole", action="store_true", help="one process a core, all at the same time")
    parser.add_argument("--processes", type=int, help="with --whole: how many, instead of one a core")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.25, help="of one measurement of one side")
    parser.add_argument(
        "--by", default="wall", choices=("wall", "cpu"), help="which time the verdict is about: CPU where others use the machine"
    )
    parser.add_argument("--only", nargs="+", metavar="PART", help="sides besides the eager loop, by parts of their names: native JAX")
    parser.add_argument("--json", type=Path, help="file for machine, versions and every number")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.workloads = list(WORKLOADS) if options.all else options.workloads or list(DEFAULT)
    unknown = set(options.workloads) - WORKLOADS.keys()
    if unknown:
        parser.error(f"no workload is called {', '.join(sorted(unknown))}; known: {', '.join(WORKLOADS)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this PyTorch finds no CUDA device")
    return options


def main():
    options = parse()
    torch.set_num_threads(1)
    # JAX flushes by itself; denormal numbers would slow the loops by a factor that says nothing of either.
    torch.set_flush_denormal(True)
    if options.worker:

        def build(name, only_jax):
            built = Sides(name, options, only_jax=only_jax)
            return built.sides, built.left_out, built.chosen

        whole.serve(build, only_jax=len(pinning.CORES) > 1)
        return
    found = {"machine": machine(options.device), "repeats": options.repeats, "seconds": options.seconds}
    if options.whole:
        found["results"] = whole.compare(__file__, options.workloads, options)
    else:
        roof = roofline.measure(torch.device(options.device))
        print(f"{'one core' if options.device == 'cpu' else 'the device'}: {roof.gflops:.0f} GFLOP/s in float32 ({roof.how})")
        found |= {"gflops": roof.gflops, "gflops_by": roof.how}
        found["results"] = [compare(name, options, roof) for name in options.workloads]
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
