"""A child in the middle of something ends with its parent, and one without a parent does not notice."""

import signal
import subprocess
import sys

from ravine.base._parent import end_with_parent

FAMILY = """
import multiprocessing, sys, time
from ravine.base._parent import end_with_parent

def busy(is_watching):
    if is_watching:
        end_with_parent()
    print("busy", flush=True)
    time.sleep(float(sys.argv[1]))
    print("still there", flush=True)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=busy, args=(sys.argv[2] == "watching",)).start()
    time.sleep(60)
"""
PATIENCE_S = 60.0


def after_a_kill(folder, seconds, how):
    """What a child that is busy for so many seconds says after its parent was killed; its last word is the closing pipe."""
    (folder / "family.py").write_text(FAMILY)
    command = [sys.executable, "family.py", str(seconds), how]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "busy\n"
        parent.send_signal(signal.SIGKILL)
        return parent.communicate(timeout=PATIENCE_S)[0]


def test_a_child_ends_with_its_killed_parent(tmp_path):
    assert after_a_kill(tmp_path, PATIENCE_S + 60, "watching") == ""


def test_one_that_does_not_watch_goes_on(tmp_path):
    """What the test above would find without the watch."""
    assert after_a_kill(tmp_path, 0.3, "blind") == "still there\n"


def test_a_process_of_its_own_stays():
    end_with_parent()
