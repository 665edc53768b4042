"""What one core of this machine can do at best: multiply-adds in registers, and copies; and what a GPU can."""

import ctypes
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

# Twelve independent sums hide the latency of two multiply-add units of four or five cycles.
SOURCE = """
#include <string.h>
#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
typedef float vec __attribute__((vector_size(WIDTH)));
double run(long rounds, float a, float b) {
    vec s[12], x, y;
    for (int i = 0; i < 12; i++) for (int j = 0; j < WIDTH / 4; j++) s[i][j] = 0.001f * i;
    for (int j = 0; j < WIDTH / 4; j++) { x[j] = a; y[j] = b; }
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) s[i] = s[i] * x + y;
    }
    double total = 0;
    for (int i = 0; i < 12; i++) for (int j = 0; j < WIDTH / 4; j++) total += s[i][j];
    return total;
}
double copy(char *from, char *to, long bytes, long rounds) {
    for (long r = 0; r < rounds; r++) {
        memcpy(to, from, bytes);
        __asm__ volatile("" : : "r"(to), "r"(from) : "memory");
    }
    return to[bytes - 1];
}
long flops(void) { return 2L * 12 * (WIDTH / 4); }
"""


@dataclass(frozen=True)
class Roofline:
    """The limits of one core, or of the device.

    Attributes:
        gflops: float32 multiply-adds, two operations each, in 1e9 a second.
        how: what was measured.
        device: where copies are measured.
        library: the loops in C, or None.
    """

    gflops: float
    how: str
    device: torch.device
    library: ctypes.CDLL | None = None

    def bandwidth(self, copied):
        """Bytes read and written a second by a copy of `copied` bytes: of the cache level where they fit."""
        # A call of torch's copy takes about as long as 64 KiB do.
        source = torch.ones(max(1, (copied if self.library else max(copied, 2**21)) // 8), device=self.device)
        target = torch.empty_like(source)
        rounds = max(1, int(2**24 / source.nbytes))

        def copy():
            if self.library:
                self.library.copy(source.data_ptr(), target.data_ptr(), source.nbytes, rounds)
                return
            for _ in range(rounds):
                target.copy_(source)

        return 2.0 * source.nbytes * rounds / fastest(copy, self.device)

    def bound(self, flops, state_bytes):
        """Microseconds below which no lane-step can go, and which limit says so."""
        by_flops = flops / self.gflops / 1e3
        by_bytes = state_bytes / self.bandwidth(state_bytes) * 1e6
        return (by_flops, "products") if by_flops >= by_bytes else (by_bytes, "bytes of the state")


def fastest(function, device, seconds=0.3):
    """Seconds of the fastest of several calls."""
    best, started = float("inf"), time.perf_counter()
    function()
    while time.perf_counter() - started < seconds:
        wait(device)
        before = time.perf_counter()
        function()
        wait(device)
        best = min(best, time.perf_counter() - before)
    return best


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(device):
    """The roofline: from loops in C where there is a compiler, else from a large matrix product and torch's copy."""
    if device.type == "cpu" and (compiler := shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")):
        try:
            library = _build(compiler)
        except (subprocess.CalledProcessError, OSError) as error:
            how = f"a matrix product of 2048, since {Path(compiler).name} failed ({type(error).__name__})"
        else:
            rounds = 1_000_000
            seconds = fastest(lambda: library.run(rounds, 0.999, 0.001), device)
            return Roofline(library.flops() * rounds / seconds / 1e9, "multiply-adds in registers, in C", device, library)
    else:
        how = "a matrix product of 2048" + (", in float32 without TF32" if device.type == "cuda" else "")
    a = torch.randn(2048, 2048, device=device)
    return Roofline(2 * 2048**3 / fastest(lambda: a @ a, device) / 1e9, how, device)


def _build(compiler):
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "peak.c"), Path(folder, "peak.so")
        source.write_text(SOURCE)
        flags = ["-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, "-o", str(target), str(source)], check=True, capture_output=True)
        library = ctypes.CDLL(str(target))
    library.run.argtypes, library.run.restype = (ctypes.c_long, ctypes.c_float, ctypes.c_float), ctypes.c_double
    library.copy.argtypes, library.copy.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_long), ctypes.c_double
    library.flops.restype = ctypes.c_long
    return library
