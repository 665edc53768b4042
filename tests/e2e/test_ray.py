"""Races over Ray: the bits of a race at home, whoever is killed, and nothing left running."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

import ravine
from ravine.base.errors import InputError
from ravine.cluster import connected
from ravine.cluster.ray_executor import ActorLink
from ravine.fleet import Choice, Culled, Fleet, Saved
from ravine.records import Lane, open_record
from ravine.tasks import load

pytestmark = pytest.mark.ray

MINE = """
import torch
import ravine
from beside import Net

stream = torch.Generator().manual_seed(0)
x = torch.randn(60, 5, generator=stream)
parts = [(x[low:high], x[low:high].sum(1, keepdim=True)) for low, high in ((0, 40), (40, 50), (50, 60))]
task = ravine.Task("mine", Net, *parts[:2], torch.nn.functional.mse_loss, test=parts[2], batch_size=8)
"""
BESIDE = """
import torch

class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(5, 1)
"""
OPTIONS = {"optimizers": ["sgd", "adam"], "lrs": [0.1, 0.03, 0.01, 0.003, 0.001, 1e20], "steps": 100, "seeds": 1}


@pytest.fixture(scope="module")
def cluster():
    """Ray, started once; races of this process find it there."""
    with connected("local", 2) as found:
        yield found


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """How lanes run is decided by the clock, and two ways may differ in the last digits: here it is decided by hand."""
    monkeypatch.setattr(Fleet, "calibrate", lambda *_, **__: Choice("stacked", 3, "by hand", {}, 1.0))
    monkeypatch.setattr("ravine.fleet.snapshot.COST_SHARE", 1.0)


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "beside.py").write_text(BESIDE)
    return load(str(folder / "mine.py"))


def numbers(path):
    """Every curve of a record, bit for bit, and what was concluded."""
    fields = [name for name in Lane.__dataclass_fields__ if name != "seconds"]
    with open_record(path) as record:
        lanes = [[getattr(lane, name) for name in fields] for lane in record.lanes()]
        losses = [record.losses(lane.lane).tobytes() for lane in record.lanes()]
        found = record.evaluations()
        values = sorted(
            zip(
                found.lane.tolist(),
                found.step.tolist(),
                found.split.tolist(),
                found.metric.tolist(),
                found.value.view("i8").tolist(),
                strict=True,
            )
        )
        return repr([lanes, losses, values, record.meta["status"], record.meta["recommendation"]])


class Disturbing:
    """An observer that does something at the first event of a kind, and keeps the notes."""

    def __init__(self, kind, action):
        self._kind, self._action, self.notes = kind, action, []

    def stage(self, *_):
        pass

    def event(self, event):
        if isinstance(event, self._kind) and self._action is not None:
            action, self._action = self._action, None
            action()

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize("moment", [Saved, pytest.param(Culled, marks=pytest.mark.slow)], ids=["in a tile", "at a rung"])
def test_a_killed_ray_worker_is_made_up_for_and_the_bits_are_those_of_home(cluster, mine, tmp_path, monkeypatch, capfd, moment):
    ravine.race(mine, out=tmp_path / "home.ravine", **OPTIONS)
    pids, greeting = [], ActorLink._is_greeting

    def noted(link, word):
        if hasattr(word, "pid"):
            pids.append(word.pid)
        return greeting(link, word)

    monkeypatch.setattr(ActorLink, "_is_greeting", noted)
    observer = Disturbing(moment, lambda: os.kill(pids[0], signal.SIGKILL))
    ravine.race(mine, out=tmp_path / "ray.ravine", ray="local", workers=2, snapshot_s=0.0, observer=observer, **OPTIONS)
    assert len(pids) >= 3, "actors stay for all stages, and one took the place of the one that was killed"
    assert len(set(pids)) <= 4
    assert any("its Ray actor on" in note and "another one goes on" in note for note in observer.notes)
    assert numbers(tmp_path / "ray.ravine") == numbers(tmp_path / "home.ravine")
    assert sorted(path.name for path in tmp_path.glob("ray*")) == ["ray.ravine"]
    assert capfd.readouterr() == ("", ""), "Ray is silent"


def test_an_interrupted_race_goes_on_without_ray(cluster, tmp_path):
    line = load("line")
    task = ravine.Task("sealed", lambda: torch.nn.Linear(1, 1), line.data.train, line.data.validation, torch.nn.functional.mse_loss)

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ravine.race(task, out=tmp_path / "ray.ravine", ray="local", observer=Disturbing(Culled, interrupt), **OPTIONS)
    with open_record(tmp_path / "ray.ravine") as record:
        assert record.meta["status"] == "interrupted"
    ravine.race(task, out=tmp_path / "ray.ravine", resume=True, **OPTIONS)
    ravine.race(task, out=tmp_path / "home.ravine", **OPTIONS)
    assert numbers(tmp_path / "ray.ravine") == numbers(tmp_path / "home.ravine")


def test_batch_sizes_that_take_turns_on_a_cluster_keep_their_own_evaluations(cluster, mine, tmp_path):
    """A crew that gave its places up starts anew with a pool whose stages are numbered from zero again."""
    options = {"optimizers": ["sgd"], "lrs": [0.1, 0.01], "steps": 40, "seeds": 2, "tune": ["batch_size"], "configurations": 2}
    ravine.race(mine, out=tmp_path / "home.ravine", **options)
    ravine.race(mine, out=tmp_path / "ray.ravine", ray="local", workers=2, **options)
    with open_record(tmp_path / "ray.ravine") as record:
        assert len({lane.hypers.get("batch_size") for lane in record.lanes()}) == 2
    assert numbers(tmp_path / "ray.ravine") == numbers(tmp_path / "home.ravine")


def rays():
    """Ray's processes whose parent is no more, or that belong to this test."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if "ravine-ray-" in line or "ray::" in line}


@pytest.mark.slow
def test_the_command_leaves_nothing_running_when_interrupted_or_killed(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "beside.py").write_text(BESIDE)
    before = rays()
    command = [sys.executable, "-m", "ravine", "race", "mine.py", "--steps", "100000", "--no-figure", "--ray", "local", "--workers", "2"]
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        out = tmp_path / f"{number.name}.ravine"
        with subprocess.Popen(
            [*command, "--out", out.name], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            said = []
            while "lanes of" not in (line := process.stderr.readline()):
                assert line, ["it ended before its first stage", *said]
                said.append(line)
            assert rays() - before
            os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
            assert process.wait(60) == code
        # Of a killed command, two agents of Ray end a minute later, once they find nobody.
        end = time.monotonic() + 180
        while rays() - before:
            assert time.monotonic() < end, "Ray goes on"
            time.sleep(0.5)
        with open_record(out) as record:
            assert record.meta["status"] == ("interrupted" if code == 130 else "running")


def test_an_address_where_nobody_listens_is_one_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ravine", "race", "line", "--steps", "2", "--ray", "127.0.0.1:9", "--out", "x.ravine"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("ravine: --ray 127.0.0.1:9: there is no Ray cluster to be reached (Connection refused). Give 'local'")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "x.ravine").exists()


def test_lanes_on_ray_are_for_the_cpu(cluster, monkeypatch, tmp_path):
    monkeypatch.setattr("ravine.race.running.find_device", lambda name: "meta")
    with pytest.raises(InputError, match="Use --device cpu"):
        ravine.race("line", ray="local", device="cuda", out=tmp_path / "x.ravine", **OPTIONS)
