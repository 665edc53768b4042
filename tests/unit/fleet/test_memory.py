"""The arithmetic of the memory forecast."""

import pytest
import torch
from torch import nn

from lane_models import lanes
from ravine.fleet.memory import (
    COMPILER_BYTES,
    EVALUATION_BYTES,
    FIRST_USE_BYTES,
    SLACK,
    Footprint,
    evaluation_rows,
    forecast,
    measure,
    peak_bytes,
    tile_bytes,
)


class Net(nn.Module):
    """Weights of 12 numbers, a frozen bias of 3, a buffer of 5, and one saved activation."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3))
        self.bias = nn.Parameter(torch.ones(3), requires_grad=False)
        self.register_buffer("extra", torch.ones(5))

    def forward(self, x):
        return (x @ self.weight + self.bias).exp().sum()


def test_a_lane_is_counted_tensor_by_tensor():
    found = measure(Net(), torch.randn(7, 4))
    assert (found.parameters, found.buffers, found.slot_unit, found.examples) == (48, 32, 48, 7)
    assert found.activations == 7 * 3 * 4, "exp keeps its result; the batch and the weights are counted elsewhere"


def test_slots_of_half_precision_parameters_are_kept_in_float32():
    found = measure(Net().bfloat16(), torch.randn(7, 4, dtype=torch.bfloat16))
    assert (found.parameters, found.slot_unit) == (24, 48)


def test_shared_storage_is_counted_once():
    class Twice(Net):
        def forward(self, x):
            y = (x @ self.weight).exp()
            return (y * y).sum()

    assert measure(Twice(), torch.randn(7, 4)).activations == 7 * 3 * 4


def test_a_stepping_lane_holds_its_state_twice_a_gradient_and_activations():
    footprint = Footprint(parameters=100, buffers=10, slot_unit=200, activations=1000, examples=4)
    assert footprint.lane(0) == 2 * 110 + 100 + 1000
    assert footprint.lane(2) == 2 * 510 + 100 + 1000


HELD = Footprint(parameters=100, buffers=10, slot_unit=200, activations=1000, examples=4, batch=50, alone=2000, stacked=3000, evaluation=5)


def test_a_lane_holds_most_during_the_gradient_or_during_the_update():
    assert HELD.peak(2, stacked=True) == 510 + 3000
    assert HELD.peak(2, stacked=False) == 510 + 2000
    small = Footprint(parameters=100, buffers=10, slot_unit=200, activations=10, examples=4, alone=150, stacked=150)
    assert small.peak(2, stacked=True) == 510 + 3 * 100 + 10 + 2 * 200
    assert Footprint(100, 0, 0, 10, 4, alone=900).peak(0, stacked=True) == 1000, "what cannot be stacked is taken for a stack of one"


def test_a_stack_is_at_work_as_a_whole_and_other_lanes_one_by_one():
    members = lanes(("adam", {}), ("adam", {}))
    one = HELD.peak(2, stacked=False)
    assert tile_bytes(HELD, members, "stacked", evaluated=0) == 2 * HELD.peak(2, stacked=True) + 50
    assert tile_bytes(HELD, members, "native", evaluated=0) == 2 * 510 + one + 50
    assert tile_bytes(HELD, members[:1], "loop", evaluated=0) == one + 50
    mixed = lanes(("adam", {}, 0), ("adam", {}, 1))
    assert tile_bytes(HELD, mixed, "compiled", evaluated=0) == 2 * HELD.peak(2, stacked=True) + 2 * 50


def test_an_evaluation_may_need_more_than_a_step():
    many, rows = lanes(("sgd", {})), evaluation_rows(HELD, 1)
    assert rows == EVALUATION_BYTES // 500
    assert tile_bytes(HELD, many, "stacked", evaluated=10**9) == 110 + rows * 5
    assert evaluation_rows(HELD, 10**9) == 1


def test_the_largest_tile_decides():
    members = lanes(("sgd", {}), ("adam", {}), ("momentum", {}))
    largest = tile_bytes(HELD, members[1:], "stacked", evaluated=3)
    assert forecast(HELD, [members[:1], members[1:]], 5000, "stacked", evaluated=3) == 5000 + int(SLACK * largest) + FIRST_USE_BYTES
    assert forecast(HELD, [], 5000, "loop") == 5000 + FIRST_USE_BYTES
    assert forecast(HELD, [], 5000, "compiled") == 5000 + FIRST_USE_BYTES + COMPILER_BYTES


def test_what_a_call_holds_at_once_is_counted_without_what_it_is_given():
    given = torch.ones(1000)

    def call():
        first = given * 2
        second = first + first
        del first
        third = second.view(10, 100).sum(0)
        return second[0], third

    assert peak_bytes(call) == 2 * 4000, "two of three at a time, and views count with their base"
    assert peak_bytes(lambda: given.view(10, 100)) == 0


def test_a_module_that_refuses_to_be_watched_is_forecast_by_its_state():
    class Refusing(Net):
        def forward(self, x):
            if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
                raise NotImplementedError("no rule for this mode")
            return super().forward(x)

    found = measure(Refusing(), torch.randn(7, 4))
    assert (found.parameters, found.activations, found.alone, found.stacked) == (48, 7 * 3 * 4, 0, 0)
    assert found.peak(2, stacked=True) == found.state(2) + 3 * 48 + 32 + 2 * 48


def test_memory_that_does_not_suffice_is_no_refusal():
    class Large(Net):
        def forward(self, x):
            if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
                raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory")
            return super().forward(x)

    with pytest.raises(RuntimeError, match="not enough memory"):
        measure(Large(), torch.randn(7, 4))


def test_counting_a_long_call_costs_no_more_an_operation_than_a_short_one(monkeypatch):
    looks = 0
    plain = torch.UntypedStorage.nbytes

    def counted(storage):
        nonlocal looks
        looks += 1
        return plain(storage)

    monkeypatch.setattr(torch.UntypedStorage, "nbytes", counted)

    def call():
        kept = [torch.ones(4)]
        for _ in range(200):
            kept.append(kept[-1] * 2)
        return kept

    assert peak_bytes(call) == 201 * 16
    assert looks <= 2 * 201


def test_a_second_lane_is_counted_beside_the_first():
    found = measure(Net(), torch.randn(7, 4))
    assert found.batch == 7 * 4 * 4
    assert found.stacked >= found.activations + found.parameters
    assert found.alone > 0
    assert found.evaluation == 0, "the net has no evaluation, so it cannot be stacked"


def test_measuring_leaves_no_gradients_behind():
    net = Net()
    measure(net, torch.randn(2, 4))
    assert net.weight.grad is None
