"""Workers as processes: what becomes of them is known, and none outlives its end."""

import signal
import subprocess
import sys
from multiprocessing import Pipe

import pytest

from ravine.fleet.processes import Processes, ProcessLink

SLEEPER = "import time; print(flush=True); time.sleep(60)"


class Popen:
    """A process that looks like one of multiprocessing's."""

    def __init__(self):
        self.popen = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE)
        self.popen.stdout.readline()
        self.pid, self.kill = self.popen.pid, self.popen.kill

    def join(self):
        with self.popen:
            self.popen.wait(5)

    @property
    def exitcode(self):
        return self.popen.returncode


def test_a_worker_that_is_stopped_does_not_hold_up_the_end():
    process, (ours, theirs) = Popen(), Pipe()
    process.popen.send_signal(signal.SIGSTOP)
    link = ProcessLink(ours, process)
    assert link.name == f"worker process {process.pid}"
    link.end()
    assert link.ending() == "exit code -9"
    assert ours.closed
    theirs.close()


def test_those_that_speak_or_have_ended_are_found_and_others_are_not():
    pairs = [Pipe() for _ in range(3)]
    links = [ProcessLink(ours, None) for ours, _ in pairs]
    pairs[0][1].send("word")
    pairs[1][1].close()
    site = Processes(None, 3)
    found = site.wait(links, 5.0)
    assert found
    assert links[2] not in found
    assert site.wait(links[2:], 0.0) == []
    assert links[0].recv() == "word"
    with pytest.raises(EOFError):
        links[1].recv()
    with pytest.raises(OSError, match="pipe"):
        links[1].send("word")
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


SCRIPT = """
import torch
import ravine

x = torch.linspace(-1, 1, 64).unsqueeze(1)
{define}
result = ravine.race({task}, optimizers=["sgd", "adam"], steps=20, seeds=2, lrs=[0.01, 0.1], workers=2)
print(len(result.ranking))
"""
DEFINE = """
def model():
    return torch.nn.Linear(1, 1)

task = ravine.Task(name="mine", model=model, train=(x, 2 * x), validation=(x, 2 * x), loss=torch.nn.functional.mse_loss, batch_size=16)
"""


def run(path, text):
    path.write_text(text)
    return subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_a_script_without_the_main_idiom_races_a_task_that_is_loaded_by_name(tmp_path):
    done = run(tmp_path / "script.py", SCRIPT.format(define="", task='"line"'))
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr


def test_a_script_without_the_main_idiom_is_told_where_its_task_lies_in_it(tmp_path):
    done = run(tmp_path / "script.py", SCRIPT.format(define=DEFINE, task="task"))
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "script.py begins its race again in every worker process" in done.stderr.splitlines()[-1]
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]
