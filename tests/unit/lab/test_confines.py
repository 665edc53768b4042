import subprocess
import sys

import pytest

from ravine.lab.confines import data_bytes

LIMITED = """
import os
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
from ravine.lab.confines import confine, limit_memory
confine(10**9)
limit_memory(10**8)
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
small = bytearray(10**7)
try:
    bytearray(10**9)
except MemoryError:
    print("refused")
os.write(1, b"written\\n")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a process's private memory against a limit")
def test_memory_beyond_the_limit_is_refused_and_ctrl_c_ignored():
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, sorted(done.stderr.split())) == (0, "", ["refused", "written"])
    assert data_bytes() > 10**6
