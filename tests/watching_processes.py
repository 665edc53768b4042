"""Two processes that train one model by DistributedDataParallel, watched or not: run as a script, which prints JSON.

python watching_processes.py FOLDER
"""

import json
import socket
import sys
from pathlib import Path

import torch
import torch.distributed
import torch.multiprocessing
from torch.nn import functional as F

import ravine
from doctor_tasks import blobs, network

PROCESSES, STEPS = 2, 24


def train(rank, port, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=PROCESSES)
    found = {}
    for is_watched in (False, True):
        torch.manual_seed(0)
        model = torch.nn.parallel.DistributedDataParallel(network())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        inputs, labels = blobs(256)
        stream = torch.Generator().manual_seed(rank)
        watch = ravine.watch(model, optimizer, every=1, record=Path(folder) / "run.ravine") if is_watched else None
        if watch is not None:
            watch.begin()
        for _ in range(STEPS):
            index = torch.randint(256, (16,), generator=stream)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs[index]), labels[index])
            loss.backward()
            optimizer.step()
            if watch is not None:
                watch.step(loss)
        found["watched" if is_watched else "alone"] = [value.tolist() for value in model.module.state_dict().values()]
        if watch is not None:
            watch.close()
            found["batch size"] = watch.diagnosis.rung("batch size").measured
            found["findings"] = [one.title for one in watch.findings if one.severity != "information"]
    (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        free = held.getsockname()[1]
    torch.multiprocessing.spawn(train, (free, sys.argv[1]), nprocs=PROCESSES)
