"""Which cores this process runs on. Imported before torch, numpy and JAX, which read these settings when they are loaded.

RAVINE_BENCH_CORES holds the numbers of its cores, as in "3" or "0,1,2,3"; the last core if it is not set. On more
than one, JAX may use threads of its own.
"""

import os

_GIVEN = [int(number) for number in os.environ.get("RAVINE_BENCH_CORES", "").split(",") if number]
AVAILABLE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
CORES = _GIVEN or AVAILABLE[-1:]
JAX_FLAGS = "--xla_cpu_prefer_vector_width=512"

os.environ["OMP_NUM_THREADS"] = "1"
if len(CORES) == 1:
    JAX_FLAGS += " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, set(CORES))
os.environ["XLA_FLAGS"] = JAX_FLAGS
# JAX would take most of the device's memory at its first call and leave too little for the other sides.
os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
