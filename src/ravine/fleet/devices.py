"""What differs between the CPU and CUDA: how tensors get there, how much fits, and what makes results repeatable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor on another device; to CUDA from pinned memory, so that the caller does not wait for the copy."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device, dtype)
    return tensor.pin_memory().to(device, non_blocking=True).to(dtype or tensor.dtype)


MOST_LANES_ON_CUDA = 512
"""Lanes of one tile there: a batch of kernels of small models fills a GPU at some hundreds. Not measured yet."""


def free_bytes(device: torch.device) -> int:
    """Bytes that a process can still take on a CUDA device: what is free there, and what torch holds and does not use."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def lanes_on_cuda(lane_bytes: int, device: torch.device) -> int:
    """Lanes of one tile on CUDA, from 1 to `MOST_LANES_ON_CUDA`: a GPU has no cache to stay in, and is idle when lanes are few.

    Half of the free memory is left to a recorded step (`ravine.fleet.graphs`), evaluations and other processes.
    """
    return max(1, min(MOST_LANES_ON_CUDA, free_bytes(device) // 2 // max(1, lane_bytes)))


@contextmanager
def repeatable() -> Iterator[None]:
    """A block in which cuDNN uses only algorithms that give the same bits each time; nothing where CUDA is not in use.

    Without it a convolution's gradient is summed in the order in which blocks of threads finish, and a resumed run
    would not end with the bits of one that was never stopped.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        yield
        return
    cudnn: Any = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


@contextmanager
def whole_precision() -> Iterator[None]:
    """A block in which float32 products on CUDA keep all their bits; nothing where CUDA is not in use.

    Convolutions there drop 13 of them by default (TF32); two ways of running a model could then not be told from two
    models. Training itself is left to the caller's settings.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        yield
        return
    backends: Any = torch.backends  # whose types leave these out
    switches = (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul)
    before = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "ieee"
    try:
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value
