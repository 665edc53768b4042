"""Lane-steps per second of the fleet against the eager loop and JAX, both sides in turn in one call.

A lane-step is forward, backward and Adam of one network on one batch. One core is used: the process pins itself.

    python benchmarks/fleet.py                 W1, W2, W3, against the eager loop, and JAX where it is installed
    python benchmarks/fleet.py W2 --json FILE  one workload; machine, versions and every number to FILE
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import time
from pathlib import Path

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
os.environ["OMP_NUM_THREADS"] = "1"
JAX_FLAGS = "--xla_cpu_multi_thread_eigen=false --xla_cpu_prefer_vector_width=512 intra_op_parallelism_threads=1"
os.environ["XLA_FLAGS"] = JAX_FLAGS

import torch
from torch import nn
from torch.nn import functional as F

from ravine.fleet import Fleet, Lane
from ravine.fleet.fleet import quiet_threads
from ravine.rules import registry
from ravine.schedules import create
from ravine.tasks import Task

# name: (layer widths, activation, batch size, examples, loss, lanes)
WORKLOADS = {
    "W1": ((1, 32, 1), "tanh", 128, 128, "mse", 64),
    "W2": ((64, 32, 10), "relu", 64, 1500, "cross-entropy", 64),
    "W2b": ((64, 64, 64, 10), "relu", 32, 1500, "cross-entropy", 64),
    "W3": ((784, 128, 64, 10), "relu", 64, 4000, "cross-entropy", 64),
}
TARGETS = {"W1": 20.0, "W2": 8.0, "W2b": 0.95, "W3": 0.95}
DEFAULT = ("W1", "W2", "W3")


def make_model(widths, activation):
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.Tanh() if activation == "tanh" else nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def make_data(widths, examples, loss):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(examples, widths[0], generator=generator)
    if loss == "mse":
        return x, torch.sin(3 * x)
    return x, torch.randint(0, widths[-1], (examples,), generator=generator)


class EagerLoop:
    """What people write: one model, torch's fused Adam, one step after the other."""

    def __init__(self, widths, activation, batch, data, loss):
        torch.manual_seed(0)
        self.model, self.batch, (self.x, self.y) = make_model(widths, activation), batch, data
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)
        self.loss = F.mse_loss if loss == "mse" else F.cross_entropy

    def run(self, steps):
        full = self.batch >= len(self.x)
        for _ in range(steps):
            rows = None if full else torch.randint(0, len(self.x), (self.batch,))
            x, y = (self.x, self.y) if full else (self.x[rows], self.y[rows])
            self.optimizer.zero_grad()
            self.loss(self.model(x), y).backward()
            self.optimizer.step()

    lanes = 1


class OurFleet:
    """One tile of the fleet in a given mode."""

    def __init__(self, widths, activation, batch, data, loss, lanes, mode):
        function = F.mse_loss if loss == "mse" else F.cross_entropy
        task = Task("bench", lambda: make_model(widths, activation), data, data, function, batch_size=batch)
        fleet = Fleet(task)
        rule, hypers = registry.resolve("adam", {})
        rates = torch.logspace(-4, -2, lanes, dtype=torch.float64).tolist()
        specs = [Lane(number, rule, hypers | {"lr": lr}, create("constant"), 0) for number, lr in enumerate(rates)]
        self.lanes = 1 if mode == "loop" else min(lanes, fleet.tile_size(specs))
        with quiet_threads():
            before = time.perf_counter()
            self.tile = fleet._tile(specs[: self.lanes], mode, 10**6)
            self.setup_s = time.perf_counter() - before

    def run(self, steps):
        with quiet_threads():
            self.tile.run(steps)


class JaxScan:
    """`vmap` over lanes, `lax.scan` over steps, optax: one compiled program a block of steps."""

    def __init__(self, widths, activation, batch, data, loss, lanes):
        import jax
        import jax.numpy as jnp
        import optax

        self.jax, self.lanes, self.batch, self.block = jax, lanes, batch, 50
        x, y = jnp.asarray(data[0].numpy()), jnp.asarray(data[1].numpy())
        act = jnp.tanh if activation == "tanh" else jax.nn.relu
        full = batch >= len(x)
        adam = optax.scale_by_adam()

        def start(key):
            keys = jax.random.split(key, len(widths) - 1)
            return [
                (jax.random.normal(k, (a, b)) / a**0.5, jnp.zeros(b)) for k, (a, b) in zip(keys, itertools.pairwise(widths), strict=True)
            ]

        def objective(parameters, bx, by):
            for weight, bias in parameters[:-1]:
                bx = act(bx @ weight + bias)
            out = bx @ parameters[-1][0] + parameters[-1][1]
            if loss == "mse":
                return jnp.mean((out - by) ** 2)
            return optax.softmax_cross_entropy_with_integer_labels(out, by).mean()

        def one_lane(parameters, state, lr, bx, by):
            value, gradient = jax.value_and_grad(objective)(parameters, bx, by)
            update, state = adam.update(gradient, state)
            return jax.tree.map(lambda p, u: p - lr * u, parameters, update), state, value

        def steps(parameters, state, lr, rows):
            def body(carry, row):
                bx, by = (x, y) if full else (x[row], y[row])
                parameters, state, value = jax.vmap(one_lane, in_axes=(0, 0, 0, None, None))(*carry, lr, bx, by)
                return (parameters, state), value

            return jax.lax.scan(body, (parameters, state), rows)

        parameters = jax.vmap(start)(jax.random.split(jax.random.key(0), lanes))
        self.state = (parameters, jax.vmap(adam.init)(parameters))
        self.lr = jnp.logspace(-4, -2, lanes)
        self.rows = jnp.asarray(torch.randint(0, len(x), (self.block, batch)).numpy())
        before = time.perf_counter()
        self.step = jax.jit(steps, donate_argnums=(0, 1))
        self.run(self.block)
        self.setup_s = time.perf_counter() - before

    def run(self, steps):
        for _ in range(max(1, steps // self.block)):
            self.state, values = self.step(*self.state, self.lr, self.rows)
        self.jax.block_until_ready(values)


def sides(name):
    widths, activation, batch, examples, loss, lanes = WORKLOADS[name]
    data = make_data(widths, examples, loss)
    yield "eager loop", EagerLoop(widths, activation, batch, data, loss)
    for mode in ("loop", "stacked", "compiled"):
        try:
            yield f"ravine {mode}", OurFleet(widths, activation, batch, data, loss, lanes, mode)
        except Exception as error:
            print(f"  {name} ravine {mode}: left out ({type(error).__name__}: {str(error).splitlines()[0][:80]})")
    try:
        yield "JAX vmap+scan", JaxScan(widths, activation, batch, data, loss, lanes)
    except ImportError:
        print(f"  {name} JAX: left out (jax and optax are not installed)")


def measure(contenders, repeats):
    """Microseconds per lane-step, wall and CPU, every side in turn `repeats` times."""
    blocks, times = {}, {label: [] for label, _ in contenders}
    for label, side in contenders:
        step = getattr(side, "block", 10)
        side.run(step)
        before = time.perf_counter()
        side.run(step)
        blocks[label] = max(step, int(0.25 / max(1e-6, (time.perf_counter() - before) / step)) // step * step)
    for _ in range(repeats):
        for label, side in contenders:
            wall, cpu = time.perf_counter(), time.process_time()
            side.run(blocks[label])
            work = blocks[label] * side.lanes / 1e6
            times[label].append(((time.perf_counter() - wall) / work, (time.process_time() - cpu) / work))
    return times


def report(name, contenders, times):
    median = {label: statistics.median(wall for wall, _ in rows) for label, rows in times.items()}
    loop, best = median["eager loop"], min(value for label, value in median.items() if label.startswith("ravine"))
    print(f"\n{name}: {WORKLOADS[name][0]}, batch {WORKLOADS[name][2]}")
    print(f"  {'':16} {'lanes':>5} {'us/lane-step':>13} {'CPU':>8} {'x eager loop':>13} {'set-up s':>9}")
    rows = []
    for label, side in contenders:
        cpu, setup = statistics.median(c for _, c in times[label]), getattr(side, "setup_s", 0.0)
        print(f"  {label:16} {side.lanes:5d} {median[label]:13.2f} {cpu:8.2f} {loop / median[label]:13.1f} {setup:9.1f}")
        rows.append({"side": label, "lanes": side.lanes, "us": median[label], "cpu_us": cpu, "setup_s": setup, "all": times[label]})
    verdict = f"  ravine's best is {loop / best:.1f}x the eager loop (target {TARGETS[name]:g}x)"
    if "JAX vmap+scan" in median:
        verdict += f" and {median['JAX vmap+scan'] / best:.2f}x JAX"
    print(verdict)
    return {"workload": name, "rows": rows, "over_loop": loop / best}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workloads", nargs="*", default=list(DEFAULT), metavar="|".join(WORKLOADS))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    unknown = set(options.workloads) - WORKLOADS.keys()
    if unknown:
        parser.error(f"no workload is called {', '.join(sorted(unknown))}; known: {', '.join(WORKLOADS)}")
    torch.set_num_threads(1)
    results = []
    for name in options.workloads:
        contenders = list(sides(name))
        results.append(report(name, contenders, measure(contenders, options.repeats)))
    if options.json:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version(), "torch": torch.__version__}
        options.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
