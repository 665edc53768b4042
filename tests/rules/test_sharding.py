"""FSDP2 and DDP: two processes over gloo take the step that one takes, and their checkpoints come back bit by bit."""

import socket

import pytest
import torch
from torch import distributed

from sharding_processes import work

pytestmark = [
    pytest.mark.skipif(not distributed.is_available() or not distributed.is_gloo_available(), reason="torch was built without gloo"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


def test_two_processes_take_the_steps_of_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, (port,), 2)
