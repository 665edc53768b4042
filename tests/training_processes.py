"""What the processes of the trainer's tests do: run as a script, it forks them, so that importing torch is paid for once.

python training_processes.py JOB PROCESSES FOLDER

Every process writes what its job returned to FOLDER/RANK.json.
"""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import torch
import torch.distributed.checkpoint.hf_storage
import torch.distributed.fsdp
from torch import nn
from torch.nn import functional as F

import ravine
from ravine.trainer import Stepped, distributed, load_weights

STEPS = 8
PATIENCE_S = 240.0


class Net(nn.Module):
    """Statistics, a block in a list, and a layer that the loss does not use."""

    def __init__(self, norm=True):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7) if norm else nn.Tanh())
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(7, 7), nn.Tanh()) for _ in range(2))
        self.head = nn.Linear(7, 3)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        x = self.body(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


def data(rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 6, generator=generator)
    return x, (x[:, :3] + 0.1 * torch.randn(rows, 3, generator=generator)).argmax(1)


def task(norm=True, loss=F.cross_entropy, batch_size=9, model=None):
    """Batches that neither two nor four processes share evenly, and a test split of fewer rows than four processes."""
    return ravine.Task(
        "net", model or (lambda: Net(norm)), data(50), data(21, 1), loss, metrics={"accuracy": ravine.metrics.accuracy},
        test=data(3, 2), batch_size=batch_size,
    )  # fmt: skip


PLAIN = {"steps": STEPS, "evaluate_every": 3, "optimizer": "momentum", "lr": 0.05}
"""Not adamw: the bias before BatchNorm has no gradient but rounding, which adamw would blow up to whole steps."""
RICH = {
    "steps": STEPS,
    "evaluate_every": 3,
    "lr": 0.01,
    "accumulate": 2,
    "ema": 0.9,
    "augment": "smooth=0.1,mixup=0.4",
    "patience": 50,
    "clip": 0.5,
}


def told(trained):
    """What a training gave, as JSON."""
    weights = {name: tensor.double().reshape(-1).tolist() for name, tensor in trained.model.state_dict().items()}
    return {
        "loss": list(trained.history.loss),
        "norm": list(trained.history.norm),
        "evaluations": trained.history.evaluations,
        "metrics": {split: dict(values) for split, values in trained.metrics.items()},
        "weights": weights,
        "step": trained.step,
        "reason": trained.reason,
        "class": type(trained.model).__name__,
        "files": sorted(path.name for path in trained.folder.iterdir()) if trained.folder else [],
    }


def failure(action):
    """The type and text of what an action raises."""
    try:
        action()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None


def stopping(rank, at, number):
    """An observer by which one process gets a signal after a step; only the first process has one that is called."""
    return lambda event: signal.raise_signal(number) if isinstance(event, Stepped) and event.step == at and rank == 0 else None


def curves(folder):
    """A training under each strategy."""
    return {strategy: told(ravine.train(task(), strategy=strategy, out=folder / strategy, **PLAIN)) for strategy in distributed.STRATEGIES}


def rich(folder):
    """The same with everything on."""
    del folder
    return {strategy: told(ravine.train(task(norm=False), strategy=strategy, **RICH)) for strategy in distributed.STRATEGIES}


def changes(folder):
    """A training that is terminated and goes on under another strategy, again and again."""
    rank, found = torch.distributed.get_rank(), {}
    for place, strategy in enumerate(("fsdp", "zero1", "ddp"), 1):
        options = {**RICH, "out": folder / "changing", "resume": place > 1, "strategy": strategy}
        tell = stopping(rank, 2 * place, signal.SIGTERM)
        found[strategy] = told(ravine.train(task(norm=False), observer=tell, **options))
    return found


def ends(folder):
    """Trainings that one process's rows, weights, data or settings end for all."""
    rank = torch.distributed.get_rank()
    (x, y), good = data(50), data(21, 1)
    x = x.abs()
    x[40] *= -1
    bad = ravine.Task("nan", Root, (x, y), (good[0].abs(), good[1]), F.cross_entropy, batch_size=9)
    own = ravine.Task("own", lambda: nn.Linear(6 + rank, 3), data(50), data(21, 1), F.cross_entropy, batch_size=9)
    said = []
    return {
        "nan": failure(lambda: ravine.train(bad, strategy="fsdp", out=folder / "nan", observer=said.append, **PLAIN)),
        "said": len(said),
        "rows": failure(lambda: ravine.train(task(norm=False, batch_size=1), **PLAIN)),
        "pieces": failure(lambda: ravine.train(task(), accumulate=5, **PLAIN)),
        "other weights": failure(lambda: ravine.train(differing(rank), **PLAIN)),
        "one cannot load": failure(lambda: ravine.train("digits" if rank == 0 else "diggits", **PLAIN)),
        "model": failure(lambda: ravine.train(own, **PLAIN)),
        "held": failure(lambda: ravine.train(task(), out=folder / "fsdp", **PLAIN)),
        "scalar": failure(lambda: ravine.train(task(model=Scalar), strategy="fsdp", **PLAIN)),
    }


class Root(nn.Module):
    """No number for rows below zero."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        return self.layer(x.sqrt())


class Scalar(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.layer = nn.Parameter(torch.tensor(1.0)), nn.Linear(6, 3)

    def forward(self, x):
        return self.scale * self.layer(x)


def differing(rank):
    def model():
        net = Net(False)
        with torch.no_grad():
            net.head.bias += float(rank)
        return net

    return task(model=model)


def numbers(folder):
    """Precisions, optimizers and dropout under each strategy."""
    found = {}
    for strategy in distributed.STRATEGIES:
        for precision in ("bf16", "fp16", "pure_bf16"):
            options = {**PLAIN, "strategy": strategy, "precision": precision}
            try:
                found[f"{strategy} {precision}"] = told(ravine.train(task(norm=False), **options))
            except ravine.base.errors.InputError as error:
                found[f"{strategy} {precision}"] = str(error)
        for name in ("momentum", "lamb", "lars", "sgd+lookahead", "adamw+cautious", "sgd+sam", "muon", "shampoo", "prodigy"):
            options = {**PLAIN, "optimizer": name, "strategy": strategy, "lr": 0.01}
            try:
                found[f"{strategy} {name}"] = told(ravine.train(task(norm=False), **options))
            except ravine.base.errors.InputError as error:
                found[f"{strategy} {name}"] = str(error)
    return found


class Wide(nn.Module):
    """Weights whose blocks of 256 fill the shards of four processes, those of two, and those of one only."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 128),
            nn.Tanh(),
            nn.Linear(128, 128),
            nn.Tanh(),
            nn.Linear(128, 64),
            nn.Linear(64, 128),
            nn.Linear(128, 66),
            nn.Linear(66, 3),
        )

    def forward(self, x):
        return self.layers(x)


def wide():
    return task(model=Wide, batch_size=12)


EIGHT = {"steps": STEPS, "evaluate_every": 2, "optimizer": "adamw", "lr": 0.01, "hypers": {"state_dtype": "8bit"}}
"""State in 8 bits."""


def eight(folder, strategy="fsdp"):
    """Two more steps of a training in the folder, whoever began it."""
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    tell = stopping(rank, {2: 4, 4: 6}[world], signal.SIGTERM)
    return told(ravine.train(wide(), out=folder / "eight", resume=True, strategy=strategy, observer=tell, **EIGHT))


def lost(folder, strategy, victim):
    """A training of which one process is killed in the step after a checkpoint; the others tell what they raise."""
    rank = torch.distributed.get_rank()

    def loss(output, target):
        if rank == victim and list((folder / strategy).glob("checkpoint-*")):
            os.kill(os.getpid(), signal.SIGKILL)
        return F.cross_entropy(output, target)

    own = task(norm=False, loss=loss)
    found = failure(lambda: ravine.train(own, strategy=strategy, out=folder / strategy, save_s=0, **PLAIN))
    (folder / f"{rank}.json").write_text(json.dumps(found))
    os._exit(0)  # nothing more can be exchanged


LOST = {"ddp": 1, "fsdp": 0, "zero1": 1}
"""Which process is killed under each strategy."""
JOBS = {job.__name__: job for job in (curves, rich, changes, ends, numbers, eight)}
JOBS |= {f"lost {strategy}": functools.partial(lost, strategy=strategy, victim=victim) for strategy, victim in LOST.items()}


def everything(folder):
    """Several jobs in one life, for starting it costs more than they do."""
    return {name: JOBS[name](folder) for name in ("curves", "changes", "ends")}


JOBS["everything"] = everything


def work(job, rank, world, port, folder):
    """One process's life."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    with distributed.joined():
        found = JOBS[job](folder)
        (folder / f"{rank}.json").write_text(json.dumps(found))
        torch.distributed.barrier()


def main(job, world, folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(world):
        child = os.fork()
        if not child:
            try:
                work(job, rank, world, port, folder)
            except BaseException:  # the fork must not go on as its parent would
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children)


def run(job, world, folder, dies=None):
    """What the processes of a job returned, in their order, but for one that dies."""
    command = [sys.executable, __file__, job, str(world), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment)
    assert done.returncode == (dies is not None), done.stderr[-4000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world) if rank != dies]


def weights_of(path, norm=True):
    """What a file of weights holds, read in one process."""
    model = Net(norm)
    load_weights(model, path)
    return {name: tensor.double().reshape(-1).tolist() for name, tensor in model.state_dict().items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
