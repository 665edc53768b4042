"""The arithmetic of the memory forecast."""

import torch
from torch import nn

from lane_models import lanes
from ravine.fleet.memory import Footprint, forecast, measure


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


def test_the_largest_tile_decides():
    footprint = Footprint(parameters=100, buffers=10, slot_unit=200, activations=1000, examples=4)
    members = lanes(("sgd", {}), ("adam", {}), ("momentum", {}))
    assert forecast(footprint, [members[:1], members[1:]], 5000) == 5000 + footprint.lane(2) + footprint.lane(1)
    assert forecast(footprint, [], 5000) == 5000


def test_measuring_leaves_no_gradients_behind():
    net = Net()
    measure(net, torch.randn(2, 4))
    assert net.weight.grad is None
