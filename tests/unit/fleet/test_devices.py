"""What is the CPU's part of device handling; the rest is in tests/gpu/."""

import torch

from ravine.fleet import devices
from ravine.fleet.devices import MOST_LANES_ON_CUDA, lanes_on_cuda, repeatable, send, whole_precision

CPU = torch.device("cpu")


def test_on_the_cpu_a_tensor_is_sent_nowhere():
    tensor = torch.arange(3.0, dtype=torch.float64)
    assert send(tensor, CPU) is tensor
    assert send(tensor, CPU, torch.float32).dtype == torch.float32


def test_to_cuda_a_tensor_goes_from_pinned_memory_and_nobody_waits(monkeypatch):
    steps = []

    class Watched:
        device, dtype = CPU, torch.float64

        def pin_memory(self):
            steps.append("pinned")
            return self

        def to(self, *where, **how):
            steps.append((*where, *how.items()))
            return self

    cuda = torch.device("cuda")
    send(Watched(), cuda, torch.float32)
    assert steps == ["pinned", (cuda, ("non_blocking", True)), (torch.float32,)]


def test_a_tile_on_cuda_is_as_large_as_half_of_the_memory_allows(monkeypatch):
    monkeypatch.setattr(devices, "free_bytes", lambda device: 1000)
    assert lanes_on_cuda(100, torch.device("cuda")) == 5
    assert lanes_on_cuda(10_000, torch.device("cuda")) == 1
    assert lanes_on_cuda(1, torch.device("cuda")) == 500
    assert lanes_on_cuda(0, torch.device("cuda")) == 500
    monkeypatch.setattr(devices, "free_bytes", lambda device: 10**6)
    assert lanes_on_cuda(1, torch.device("cuda")) == MOST_LANES_ON_CUDA


def test_free_memory_counts_what_torch_holds_and_does_not_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert devices.free_bytes(torch.device("cuda")) == 130


def settings():
    backends = torch.backends
    return (
        backends.cudnn.deterministic,
        backends.cudnn.benchmark,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.rnn.fp32_precision,
        backends.cuda.matmul.fp32_precision,
    )


def test_cudnn_repeats_itself_and_keeps_all_bits_within_the_blocks_only(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = settings()
    with repeatable():
        assert settings()[:2] == (True, False)
    assert settings() == before
    with whole_precision():
        assert settings()[2:] == ("ieee",) * 3
    assert settings() == before
    assert "ieee" not in before


def test_where_cuda_is_not_in_use_nothing_is_touched(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    before = settings()
    with repeatable(), whole_precision():
        assert settings() == before
