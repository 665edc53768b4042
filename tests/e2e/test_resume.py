"""A race that is killed at any moment goes on to the same bits: `kill -9` at random moments, again and again.

Importing torch takes longer than the race, so one process imports it and forks a child for every attempt.
"""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

import ravine
from ravine.base.errors import InputError, RecordError
from ravine.records import Lane, open_record

ZYGOTE = """
import json, os, signal, sys, time
import torch
from torch import nn
torch.set_num_threads(1)
import ravine
from ravine.fleet import Choice, Fleet, snapshot, tile_run
from ravine.race import halving
from ravine.race.plan import make_plan
from ravine.race.running import run_race

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))

    def forward(self, x):
        return self.layers(x)

stream = torch.Generator().manual_seed(0)
x = torch.randn(120, 5, generator=stream)
y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
parts = [(x[low:high], y[low:high]) for low, high in ((0, 80), (80, 100), (100, 120))]
task = ravine.Task("tiny", Net, *parts[:2], nn.functional.cross_entropy, test=parts[2], batch_size=16)
# How lanes run is decided by the clock, and two ways may differ in the last digits: here it is decided by hand.
Fleet.calibrate = lambda self, lanes, steps, evaluated=0: Choice(mode, 3, "by hand", {}, 1.0)
snapshot.COST_SHARE, tile_run.FIRST_BLOCK, tile_run.BLOCK_S = 0.3, 2, 0.02
# At 1 and 3 of 8 steps, so that three of the six rates that do not diverge end early.
halving.USEFUL_STEPS = 1

def race(path, seeds):
    plan = make_plan(task, optimizers=["sgd", "adam"], lrs=[*(10.0**-k for k in range(1, 7)), 1e20], steps=8, **seeds)
    from pathlib import Path
    run_race(plan, Path(path), existing="resume", snapshot_s=0.0)

# Once here: children inherit what is imported and known by then, and only race.
support = Fleet(task, race_seed=0).support
Fleet.support = property(lambda self: support)
for mode in ("stacked", "loop"):
    race(f"warm-{mode}.ravine", {"seeds": 1})
for line in sys.stdin:
    path, mode, kill_after, seeds = json.loads(line)
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            race(path, seeds)
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        # Nobody has waited for it yet, so the number is still the child's.
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([code, time.perf_counter() - started]), flush=True)
"""


class Zygote:
    """A process that has imported torch and runs a race in a child whenever asked."""

    def __init__(self, folder):
        (folder / "zygote.py").write_text(ZYGOTE)
        self._process = subprocess.Popen(
            [sys.executable, "zygote.py"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def race(self, path, mode, kill_after=None, seeds=None):
        """Run or resume the race at `path`; the child's exit status and the seconds it took."""
        self._process.stdin.write(json.dumps([str(path), mode, kill_after, seeds or {"seeds": 1}]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def zygote(tmp_path_factory):
    process = Zygote(tmp_path_factory.mktemp("zygote"))
    yield process
    process.close()


LANE_FIELDS = [name for name in Lane.__dataclass_fields__ if name != "seconds"]


def everything(path):
    """All numbers of a record; times left out."""
    with open_record(path) as record:
        meta, lanes = record.meta, record.lanes()
        facts = [[getattr(lane, name) for name in LANE_FIELDS] for lane in lanes]
        losses = [record.losses(lane.lane).tobytes() for lane in lanes]
        found = record.evaluations()
        values = [column.tolist() for column in (found.lane, found.step, found.split, found.metric)] + [found.value.tobytes()]
        ranking = [{key: value for key, value in entrant.as_json().items() if key != "seconds_per_step"} for entrant in record.ranking()]
    rest = {key: meta[key] for key in ("status", "recommendation", "pairs", "task", "plan", "notes")}
    protocol = {key: value for key, value in meta["protocol"].items() if key != "engine"}
    return [facts, losses, values, ranking, rest, protocol]


def check_kills(zygote, mode, folder, number, seeds=None):
    """Kill races `number` times in all, resume each until it is done, and compare; returns what an undisturbed one has."""
    code, length = zygote.race(folder / "plain.ravine", mode, seeds=seeds)
    assert code == 0
    expected = everything(folder / "plain.ravine")
    statuses = {(lane[LANE_FIELDS.index("status")], lane[LANE_FIELDS.index("steps_done")]) for lane in expected[0]}
    assert {("culled", 1), ("culled", 3), ("done", 8)} <= statuses
    moments, races, kills = random.Random(0), 0, 0
    while kills < number:
        races += 1
        path = folder / f"{races}.ravine"
        for _ in range(6):
            if kills == number:
                break
            # The child may be through before; then nothing was killed.
            kills += zygote.race(path, mode, moments.uniform(0, length), seeds)[0] == -signal.SIGKILL
        assert zygote.race(path, mode, seeds=seeds)[0] == 0
        for ours, plain in zip(everything(path), expected, strict=True):
            assert ours == plain
        assert sorted(child.name for child in folder.glob(f"{races}.ravine*")) == [path.name], "snapshots are removed"
    return expected


@pytest.mark.parametrize("mode", ["stacked", "loop"])
def test_a_race_killed_at_random_moments_ends_with_the_same_bits(zygote, mode, tmp_path):
    check_kills(zygote, mode, tmp_path, 6)


def test_a_race_whose_seeds_come_in_waves_ends_with_the_same_bits_and_the_same_seeds(zygote, tmp_path):
    *_, protocol = check_kills(zygote, "stacked", tmp_path, 6, {"min_seeds": 2, "max_seeds": 8})
    assert len(protocol["stopping"]["looks"]) > 1
    assert protocol["seeds"] == protocol["stopping"]["looks"][-1]["seeds"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["stacked", "loop", "fused", "native"])
def test_a_race_killed_at_many_random_moments_ends_with_the_same_bits(zygote, mode, tmp_path):
    check_kills(zygote, mode, tmp_path, 50)


SLOW = """
import time
import torch
from torch import nn
import ravine

class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, x):
        time.sleep(0.002 + 0.0 * x.sum().item())
        return self.layer(x)

stream = torch.Generator().manual_seed(0)
x = torch.randn(40, 3, generator=stream)
task = ravine.Task("slow", Slow, (x[:20], x[:20, :1]), (x[20:], x[20:, :1]), nn.functional.mse_loss, batch_size=5)
"""
RATES = "0.1,0.03,0.01,0.003,0.001"  # enough for a rung at which some end
OPTIONS = ["--optimizers", "sgd,adam", "--lrs", RATES, "--steps", "80", "--seeds", "2", "--workers", "2", "--no-figure", "--quiet"]


def evaluations(path):
    try:
        with open_record(path) as record:
            return len(record.evaluations())
    except RecordError:
        return 0


@pytest.mark.slow
def test_a_race_of_several_workers_goes_on_when_all_of_it_was_killed(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "ravine", "race", "slow.py", *OPTIONS, "--out"]
    subprocess.run([*command, "plain.ravine"], cwd=tmp_path, check=True)
    with subprocess.Popen([*command, "killed.ravine"], cwd=tmp_path) as process:
        while evaluations(tmp_path / "killed.ravine") < 60:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    with open_record(tmp_path / "killed.ravine") as record:
        assert record.meta["status"] == "running"
    subprocess.run([*command, "killed.ravine", "--resume"], cwd=tmp_path, check=True)
    ours, plain = everything(tmp_path / "killed.ravine"), everything(tmp_path / "plain.ravine")
    assert ours == plain
    assert sorted(path.name for path in tmp_path.glob("killed*")) == ["killed.ravine"]


def test_the_python_door_says_what_resume_needs():
    with pytest.raises(InputError, match="resume=True without out"):
        ravine.race("line", resume=True)
    with pytest.raises(InputError, match="exclude each other"):
        ravine.race("line", out="x.ravine", resume=True, force=True)
    with pytest.raises(InputError, match="snapshot_s=-1"):
        ravine.race("line", steps=1, snapshot_s=-1)
