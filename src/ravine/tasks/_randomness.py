"""Seeded blocks that leave the caller's random streams as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed torch, numpy's legacy stream and `random` for the block, and give the caller's streams back after it.

    All three, because a model factory or a data set may draw from any of them and must draw the same numbers in
    every worker process.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - the legacy stream is what users draw from
    cuda = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=cuda):
        # Not torch.manual_seed: where CUDA is not yet initialised it would queue a seed that outlives this block.
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed_all(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002
