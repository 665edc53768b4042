"""A training killed again and again at random moments, each time gone on with: run as a script, it prints what both ways end with.

python training_kills.py KILLS FOLDER

Every life is a fork of this process, so that importing torch is paid for once; checkpoints are written after every step,
so that many kills fall into the middle of a write.
"""

import hashlib
import json
import math
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import ravine
from ravine.trainer import loop

STEPS_A_KILL = 60
PATIENCE_S = 120.0


def task():
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    pair = x, x[:, :3].argmax(1)
    model = lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 3))  # noqa: E731
    return ravine.Task("killed", model, pair, pair, F.cross_entropy, batch_size=10)


def digest(trained):
    found = hashlib.blake2b(bytes(trained.history.loss) + bytes(trained.history.norm))
    for tensor in trained.model.state_dict().values():
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


def life(steps, out, resume, answer):
    """Fork a process that trains; it writes its digest to `answer` if it gets to the end."""
    child = os.fork()
    if child:
        return child
    try:
        saves = 0.0 if answer is None else math.inf
        trained = ravine.train(task(), steps=steps, ema=0.9, evaluate_every=7, out=out, resume=resume, save_s=saves)
        if answer is not None:
            answer.write_text(digest(trained))
    except BaseException as error:  # the fork must not go on as its parent would
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)
    os._exit(0)


def latest(out):
    return max((int(path.stem.partition("-")[2]) for path in out.glob("checkpoint-*")), default=0)


def wait(out, before, steps):
    end = time.monotonic() + PATIENCE_S
    while latest(out) < before + steps and time.monotonic() < end:
        time.sleep(0.001)


def main(kills, folder):
    torch.set_num_threads(1)
    loop.COST_SHARE = math.inf
    steps, draw, codes, reached = STEPS_A_KILL * kills, random.Random(kills), [], []
    out = folder / "killed"
    for _ in range(kills):
        child = life(steps, out, True, None)
        # Now and then before the first step; otherwise after some, wherever that is.
        wait(out, reached[-1] if reached else 0, draw.randrange(0, 8))
        time.sleep(draw.uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        reached.append(latest(out))
    answers = [folder / "resumed", folder / "whole"]
    for place, answer in zip((out, None), answers, strict=True):
        codes.append(os.waitstatus_to_exitcode(os.waitpid(life(steps, place, place is not None, answer), 0)[1]))
    drafts = [path.name for path in out.iterdir() if path.name.startswith(".")]
    print(
        json.dumps(
            {"codes": codes, "reached": reached, "digests": [path.read_text() for path in answers], "drafts": drafts, "steps": steps}
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
