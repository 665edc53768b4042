"""`ravine lab` from its start to its end, and what it leaves behind: nothing."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from lab_client import wait_for

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


def children(pid):
    """Processes that a process started, without the one that only cleans up after them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            command = (path.parent / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == pid and b"spawn_main" in command:
            found.append(int(path.parent.name))
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "times"),
    [(signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 1), (signal.SIGKILL, 1)],
    ids=["ctrl-c", "ctrl-c twice", "terminate", "kill"],
)
def test_however_it_ends_no_process_stays(tmp_path, number, times):
    command = [sys.executable, "-m", "ravine", "lab", "--no-open", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        line = server.stdout.readline()
        port, token = re.fullmatch(r"lab  http://127\.0\.0\.1:(\d+)/#token=(\S+)\n", line).groups()
        workers = wait_for(lambda: children(server.pid))
        headers = {"x-ravine-token": token}
        assert httpx.get(f"http://127.0.0.1:{port}/api/catalogue", headers=headers, timeout=60).status_code == 200
        for _ in range(times):
            os.kill(server.pid, number)
            time.sleep(0.03)
        rest, errors = server.communicate(timeout=60)
    assert server.returncode == {signal.SIGINT: 0, signal.SIGTERM: 0, signal.SIGKILL: -9}[number]
    assert (rest, errors) == ("" if number == signal.SIGKILL else "lab  ended\n", "")
    wait_for(lambda: not any(map(is_running, workers)))
