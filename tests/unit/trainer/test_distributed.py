"""Processes: what they tell one another, and trainings of two and four that equal those of one."""

import functools
import os
import re
import signal
import subprocess
import sys

import pytest
import torch

import ravine
import training_processes as processes
from ravine.base.errors import InputError, UnknownNameError
from ravine.trainer import distributed
from ravine.trainer.distributed import ALONE, Processes, joined, own_gpu

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(), reason="torch has no gloo"
)

STRATEGIES = distributed.STRATEGIES


@functools.cache
def alone(rich=False):
    """The training of one process."""
    options = processes.RICH if rich else processes.PLAIN
    return processes.told(ravine.train(processes.task(norm=not rich), **options))


@functools.cache
def plain():
    """The training of one process without BatchNorm."""
    return processes.told(ravine.train(processes.task(norm=False), **processes.PLAIN))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What two processes came to, and where it lies."""
    folder = tmp_path_factory.mktemp("both")
    return processes.run("everything", 2, folder), folder


def equal(found, expected):
    """Whether two trainings have the same curves and weights, to the rounding of float32."""
    for name in ("loss", "norm"):
        assert found[name] == pytest.approx(expected[name], rel=1e-6), name
    for split, values in expected["metrics"].items():
        assert found["metrics"][split] == pytest.approx(values, rel=1e-6)
    for name, values in expected["weights"].items():
        assert found["weights"][name] == pytest.approx(values, abs=1e-6), name
    assert [values["step"] for values in found["evaluations"]] == [values["step"] for values in expected["evaluations"]]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_have_the_curves_of_one(both, strategy):
    """Uneven batches, BatchNorm, a layer that is not used; the second process has what the first one has."""
    first, second = (found["curves"][strategy] for found in both[0])
    equal(first, alone())
    assert second == first
    assert first["class"] == "Net"
    assert processes.weights_of(both[1] / strategy / "model.safetensors") == first["weights"]


def test_a_signal_to_one_ends_all_and_another_strategy_goes_on(both):
    """With accumulation, an average, mixtures and patience; the last two steps are taken by one process."""
    changes = [found["changes"] for found in both[0]]
    assert [changes[1][strategy]["reason"] for strategy in ("fsdp", "zero1", "ddp")] == ["terminated"] * 3
    assert [changes[1][strategy]["step"] for strategy in ("fsdp", "zero1", "ddp")] == [2, 4, 6]
    assert [name for name in changes[0]["ddp"]["files"] if "check" in name] == ["checkpoint-000000004", "checkpoint-000000006.safetensors"]
    last = ravine.train(processes.task(norm=False), out=both[1] / "changing", resume=True, **processes.RICH)
    equal(processes.told(last), alone(rich=True))


@pytest.mark.parametrize("strategy", ["fsdp", "zero1"])
def test_one_process_reads_what_two_wrote(both, strategy):
    again = ravine.train(processes.task(), out=both[1] / strategy, resume=True, **processes.PLAIN)
    found = processes.told(again)
    assert found["weights"] == both[0][0]["curves"][strategy]["weights"]
    assert found["loss"] == both[0][0]["curves"][strategy]["loss"]


def test_what_is_wrong_in_one_process_ends_all_with_a_sentence(both):
    first, second = (found["ends"] for found in both[0])
    kind, text = first["nan"]
    assert kind == "DivergedError"
    assert text.startswith("the training loss is nan at step ")
    assert second["nan"] == first["nan"]
    assert first["said"] > second["said"] == 0
    assert first["one cannot load"][1].startswith("process 1 of 2: no task is called 'diggits'")
    assert second["one cannot load"][0] == "UnknownNameError"
    assert first["other weights"][1].startswith("initial weights of process 1 are not those of process 0: all processes must")
    assert first["rows"][1].startswith("batch_size=1 over 2 processes: must be at least 2, a row for each.")
    assert first["pieces"][1].startswith("batch_size=9 over 2 processes in 5 pieces: must be at least 10")
    assert "fsdp holds a training (checkpoint-000000008)" in first["held"][1]
    assert "torch cannot cut this model into shards" in first["scalar"][1]
    assert first["scalar"][1].endswith("Use 'zero1' or 'ddp'.")


@pytest.mark.slow
@pytest.mark.parametrize(("job", "rich"), [("curves", False), ("rich", True)])
def test_four_processes_have_the_curves_of_one(job, rich, tmp_path):
    found = processes.run(job, 4, tmp_path)
    for strategy in STRATEGIES:
        equal(found[0][strategy], alone(rich))
        assert found[3][strategy] == found[0][strategy]


@pytest.mark.slow
def test_the_command_under_torchrun_prints_once_what_one_process_prints(tmp_path):
    def printed(*launcher):
        command = [sys.executable, *launcher, "-m", "ravine", "train", "digits", "--steps", "20", "--out"]
        with_fsdp = ["--strategy", "fsdp"] if launcher else []
        out = str(tmp_path / str(len(launcher)))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(
            [*command, out, *with_fsdp], capture_output=True, text=True, check=False, env=environment, timeout=processes.PATIENCE_S
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.replace(out, "OUT"), done.stderr

    one, many = printed(), printed("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert many[0] == one[0]
    assert many[1].count("set: 2 processes, fsdp") == 1


@pytest.mark.slow
def test_precisions_and_optimizers(tmp_path):
    """Each computes what one process computes, or is refused."""
    found = processes.run("numbers", 2, tmp_path)[0]
    refused = {name: text for name, text in found.items() if isinstance(text, str)}
    for name, trained in found.items():
        what = name.split(" ", 1)[1]
        if what == "pure_bf16":
            assert refused[name].endswith("Use precision='bf16'.")
        elif name not in refused:
            setting = {"precision": what} if what in ("bf16", "fp16") else {"optimizer": what, "lr": 0.01}
            options = {**processes.PLAIN, **setting}
            expected = processes.told(ravine.train(processes.task(norm=False), **options))
            loose = 2e-2 if what in ("bf16", "fp16") else 1e-5
            assert trained["loss"] == pytest.approx(expected["loss"], rel=loose), name
    assert {name for name in refused if "pure" not in name} == {
        *(f"fsdp {name}" for name in ("sgd+sam", "muon", "shampoo", "prodigy")),
        *(f"zero1 {name}" for name in ("lamb", "sgd+sam", "prodigy")),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "victim"), processes.LOST.items())
def test_a_killed_process_ends_the_other_with_a_sentence_and_nothing_is_lost(strategy, victim, tmp_path):
    [(kind, text)] = processes.run(f"lost {strategy}", 2, tmp_path, dies=victim)
    assert kind == "TaskError"
    said = rf"process {1 - victim} of 2 lost another one, which failed or was killed \([\w ]+\)\. Look at what that one says, then go on "
    assert re.fullmatch(said + r"from the last checkpoint with resume \(--resume\)\.", text)
    assert [path.name[:20] for path in (tmp_path / strategy).glob("checkpoint-*")] == ["checkpoint-000000001"]
    equal(processes.told(ravine.train(processes.task(norm=False), out=tmp_path / strategy, resume=True, **processes.PLAIN)), plain())


@pytest.mark.slow
def test_state_in_eight_bits_goes_from_one_process_to_two_to_four_and_back(tmp_path):
    expected = processes.told(ravine.train(processes.wide(), **processes.EIGHT))
    began = ravine.train(processes.wide(), out=tmp_path / "eight", observer=processes.stopping(0, 2, signal.SIGTERM), **processes.EIGHT)
    steps = [began.step, *(processes.run("eight", world, tmp_path)[0]["step"] for world in (2, 4))]
    assert steps == [2, 4, 6]
    last = processes.told(ravine.train(processes.wide(), out=tmp_path / "eight", resume=True, **processes.EIGHT))
    # Where the blocks of a weight do not fill its shards, its state is kept in float32 for as long as it lies in them.
    assert last["loss"] == pytest.approx(expected["loss"], rel=3e-4)


def test_alone_nothing_is_exchanged():
    assert (ALONE.rank, ALONE.world, ALONE.is_first, ALONE.lines) == (0, 1, True, ())
    assert ALONE.total([1.0, 2.0]) == [1.0, 2.0]
    assert (ALONE.mean(0.5), ALONE.largest(3), ALONE.gather("x"), ALONE.on_first(lambda: 7)) == (0.5, 3, ["x"], 7)
    with pytest.raises(KeyError), ALONE.together():
        raise KeyError


@pytest.mark.parametrize(("world", "rows"), [(1, 5), (2, 9), (4, 3), (3, 10)])
def test_shares_of_rows_cover_all_and_differ_by_one_at_most(world, rows):
    bounds = []
    for rank in range(world):
        own = Processes()
        own.rank, own.world = rank, world
        bounds.append(own.part(rows))
    assert [row for start, stop in bounds for row in range(start, stop)] == list(range(rows))
    sizes = [stop - start for start, stop in bounds]
    assert max(sizes) - min(sizes) <= 1


def test_a_strategy_needs_several_processes(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(InputError, match=r"strategy='fsdp' with one process: it needs several\. Start them with torchrun --nproc"):
        ravine.train("line", steps=2, strategy="fsdp")
    with pytest.raises(UnknownNameError, match="no strategy is called 'fdsp'; did you mean 'fsdp'"):
        ravine.train("line", steps=2, strategy="fdsp")
    with joined("auto") as found:
        assert found is ALONE


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"WORLD_SIZE": "2"}, r"WORLD_SIZE=2 without RANK, MASTER_ADDR, MASTER_PORT: processes cannot meet by it alone\. Let torchrun"),
        ({"WORLD_SIZE": "two"}, r"WORLD_SIZE='two': must be a whole number of at least 1\."),
    ],
)
def test_variables_that_do_not_fit(variables, said, monkeypatch):
    for name in distributed.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said), joined():
        pass


def test_every_process_needs_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_gpu(5) == 1
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match=r"process 2 is number 3 on its machine, where torch finds 2 GPUs: .* --nproc-per-node 2"):
        own_gpu(2)


ENDING = """
import builtins, sys, torch
from ravine.trainer.distributed import joined

# What torch's caches do to the group of a sharded model, and a lock that is let go of as late as on a busy machine.
with joined("ddp"):
    builtins.held = torch.distributed.group.WORLD
    sys.setswitchinterval(1000)
    for _ in range(50):
        numbers = torch.ones(200_000)
        numbers.note = "has a Python side"
        torch.distributed.all_reduce(numbers)
        del numbers
"""


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(4))
def test_a_process_ends_without_a_signal_while_gloo_still_holds_tensors(tmp_path, attempt):
    """Every second run was aborted ("terminate called without an active exception") before threads had time to let go."""
    script = tmp_path / "ending.py"
    script.write_text(ENDING)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
