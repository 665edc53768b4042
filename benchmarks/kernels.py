"""The kernels of native training steps against torch's, both in turn on one core: medians, GFLOP/s, share of the measured peak.

A pair is measured in turn, so that other work on the machine strikes both alike, and in CPU time of this thread, which leaves out what
others take. A call through ctypes costs about a microsecond, as a call of torch does: small shapes gain more inside generated code.

    python benchmarks/kernels.py               every shape (about half a minute)
    python benchmarks/kernels.py W5            those whose name contains W5
    python benchmarks/kernels.py --json FILE   machine, versions and every number to FILE
"""

import argparse
import ctypes
import json
import os
import platform
import statistics
import time
from pathlib import Path

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
os.environ["OMP_NUM_THREADS"] = "1"

import torch
from torch.nn import functional as F

from ravine.fleet.native import toolchain
from ravine.fleet.native.functions import kernel_table, scratch
from ravine.fleet.native.structures import Convolution, Pooling, Product

ROUNDS, LEAST_S = 25, 0.0005
LAYERS = {  # name: (batch, inputs, outputs)
    "W2": [(64, 64, 32), (64, 32, 10)],
    "W2b": [(32, 64, 64), (32, 64, 10)],
    "W3": [(64, 784, 128), (64, 128, 64), (64, 64, 10)],
    "W5": [(512, 64, 192), (512, 64, 64), (512, 64, 256), (512, 256, 64), (512, 64, 65)],
}
CONVOLUTIONS = {  # name: (batch, channels, outputs, groups, size, kernel, stride, padding)
    "W4 conv1": (64, 1, 8, 1, 28, 3, 1, 1),
    "W4 conv2": (64, 8, 16, 1, 14, 3, 1, 1),
    "residual": (4, 64, 64, 1, 16, 3, 1, 1),
    "strides": (16, 16, 32, 1, 28, 3, 2, 1),
    "pointwise": (16, 32, 64, 1, 14, 1, 1, 0),
    "depthwise": (16, 32, 32, 32, 14, 3, 1, 1),
}
PEAK = """
#include "simd.h"
extern "C" __attribute__((visibility("default"))) float ravine_peak(float factor, float term) {
    Vector<float> sums[12], x = splat(factor), y = splat(term);
    for (int i = 0; i < 12; ++i) sums[i] = splat(float(i));
    for (int round = 0; round < 20000; ++round) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; ++i) sums[i] = sums[i] * x + y;
    }
    for (int i = 1; i < 12; ++i) sums[0] += sums[i];
    return sum<float>(sums[0]) + Simd<float>::W;
}
"""


def seconds(function):
    repeats = 1
    while True:
        start = time.thread_time()
        for _ in range(repeats):
            function()
        elapsed = time.thread_time() - start
        if elapsed >= LEAST_S:
            return elapsed / repeats
        repeats *= 2


def in_turn(*functions):
    times = [[seconds(function) for function in functions] for _ in range(ROUNDS)]
    return [(statistics.median(column), min(column)) for column in zip(*times, strict=True)]


def peak():
    library = toolchain.build(PEAK)
    function = library.ravine_peak
    function.argtypes, function.restype = [ctypes.c_float] * 2, ctypes.c_float
    width = round(function(0.0, 0.0))  # all sums are 0 then
    best = min(seconds(lambda: function(0.5, 0.25)) for _ in range(ROUNDS))
    return 2 * 12 * 20000 * width / best


def bound(name, description, *tensors, kind="product"):
    """A call of a kernel with everything looked up beforehand."""
    table = kernel_table(torch.float32).contents
    place = ctypes.byref(description)
    arguments = [place, *(tensor.data_ptr() for tensor in tensors)]
    memory = None
    if kind != "pool":
        memory, address = scratch(getattr(table, f"{kind}_scratch")(place))
        arguments.append(address)
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arguments))(getattr(table, name))
    keep = (memory, description, tensors)
    return lambda keep=keep: function(*arguments)


def product_pair(a, b):
    batch, m, k = a.shape
    n = b.shape[2]
    mine, other = torch.empty(batch, m, n), torch.empty(batch, m, n)
    call = bound("product", Product(batch, m, n, k, *a.stride(), *b.stride(), *mine.stride(), 0), a, b, mine)
    if batch > 1:
        return call, lambda: torch.bmm(a, b, out=other), 2.0 * batch * m * n * k
    a, b, other = a[0], b[0], other[0]
    return call, lambda: torch.mm(a, b, out=other), 2.0 * m * n * k


def products():
    for name, layers in LAYERS.items():
        for batch, inputs, outputs in layers:
            x, w, dz = torch.randn(1, batch, inputs), torch.randn(1, outputs, inputs), torch.randn(1, batch, outputs)
            shape = f"{name} {batch}x{inputs}x{outputs}"
            yield f"{shape} forward", product_pair(x, w.mT)
            yield f"{shape} input", product_pair(dz, w)
            yield f"{shape} weight", product_pair(dz.mT, x)
    yield "W1 outer", product_pair(torch.randn(1, 128, 1), torch.randn(1, 1, 32))
    yield "W1 matrix-vector", product_pair(torch.randn(1, 128, 32), torch.randn(1, 1, 32).mT)
    yield "W1 vector-matrix", product_pair(torch.randn(1, 1, 128), torch.randn(1, 128, 32))
    q, k = torch.randn(64, 32, 16), torch.randn(64, 32, 16)
    yield "W5 attention scores", product_pair(q, k.mT)
    yield "W5 attention values", product_pair(torch.randn(64, 32, 32), k)
    yield "W5 attention gradient", product_pair(torch.randn(64, 32, 32).mT, q)


def convolutions():
    for name, (batch, channels, outputs, groups, size, kernel, stride, padding) in CONVOLUTIONS.items():
        x, w = torch.randn(batch, channels, size, size), torch.randn(outputs, channels // groups, kernel, kernel)
        y = F.conv2d(x, w, None, stride, padding, 1, groups)
        dy, steps = torch.randn_like(y), [stride, stride, padding, padding, 1, 1]
        description = Convolution(batch, groups, channels, outputs, size, size, *y.shape[2:], kernel, kernel, *steps)
        work = 2.0 * y.numel() * w[0].numel()

        def back(mask, x=x, w=w, dy=dy, stride=stride, padding=padding, groups=groups):
            pairs = [stride] * 2, [padding] * 2, [1, 1]
            return lambda: torch.ops.aten.convolution_backward(dy, x, w, None, *pairs, False, [0, 0], groups, mask)

        def forward(x=x, w=w, stride=stride, padding=padding, groups=groups):
            return F.conv2d(x, w, None, stride, padding, 1, groups)

        yield f"{name} forward", (bound("convolution", description, x, w, y, kind="convolution"), forward, work)
        dx, dw = torch.empty_like(x), torch.empty_like(w)
        yield f"{name} input", (bound("convolution_input", description, dy, w, dx, kind="convolution"), back([True, False, False]), work)
        yield f"{name} weight", (bound("convolution_weight", description, x, dy, dw, kind="convolution"), back([False, True, False]), work)


def pooling():
    for size, channels in ((28, 8), (14, 16)):
        x = torch.randn(64, channels, size, size)
        y, index = F.max_pool2d(x, 2, return_indices=True)
        dy, dx = torch.randn_like(y), torch.empty_like(x)
        description = Pooling(64 * channels, size, size, size // 2, size // 2, 2, 2, 2, 2, 0, 0, 1, 1, 1, 0)

        def back(dy=dy, x=x, index=index):
            return torch.ops.aten.max_pool2d_with_indices_backward(dy, x, [2, 2], [2, 2], [0, 0], [1, 1], False, index)

        forward = bound("max_pool", description, x, y, index, kind="pool")
        yield f"W4 pool {size} forward", (forward, lambda x=x: F.max_pool2d(x, 2, return_indices=True), 0.0)
        yield f"W4 pool {size} input", (bound("max_pool_input", description, dy, index, dx, kind="pool"), back, 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="", help="part of a shape's name")
    parser.add_argument("--json", type=Path, help="where to write every number")
    options = parser.parse_args()
    torch.set_num_threads(1)
    most = peak()
    print(f"peak of one core: {most / 1e9:.0f} GFLOP/s, float32\n")
    print(f"{'shape':32s} {'us':>9s} {'least':>9s} {'GFLOP/s':>8s} {'peak':>6s} {'torch us':>9s} {'least':>9s} {'ratio':>6s}")
    rows = []
    for make in (products, convolutions, pooling):
        for name, (mine, torchs, work) in make():
            if options.name not in name:
                continue
            (own, own_least), (other, other_least) = in_turn(mine, torchs)
            rate = work / own / 1e9
            row = {"us": own * 1e6, "least_us": own_least * 1e6, "gflops": rate, "of_peak": work / own / most}
            rows.append({"shape": name, **row, "torch_us": other * 1e6, "torch_least_us": other_least * 1e6})
            print(f"{name:32s} {own * 1e6:9.2f} {own_least * 1e6:9.2f} {rate:8.1f} {work / own / most:6.0%}", end=" ")
            print(f"{other * 1e6:9.2f} {other_least * 1e6:9.2f} {other / own:6.2f}")
    if options.json:
        machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__, "peak_gflops": most / 1e9}
        options.json.write_text(json.dumps({**machine, "rows": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
