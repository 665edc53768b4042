"""The second gradient itself; whole lanes with one are held in tests/lanes/test_wrapped_rules.py."""

import torch
from torch import nn

from lane_models import lanes
from ravine.fleet.ascent import Ascent, single_second_gradient, takes_two
from ravine.fleet.blocks import lay_out
from ravine.fleet.gradients import stacked_gradient
from ravine.fleet.lanes import group_lanes
from ravine.rules import get
from ravine.rules._step import Part

KINDS = {"w": "vector"}


class Cubic(nn.Module):
    """Loss w^3 of a batch's sign, and a buffer that counts the forwards."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
        self.register_buffer("calls", torch.zeros((), dtype=torch.float64))

    def forward(self, batch):
        self.calls += 1.0
        return (batch * self.w**3).sum()


def test_only_lanes_that_take_two_gradients_get_a_second_one():
    groups = group_lanes(lanes(("sgd", {}), ("sgd+sam", {"sam_rho": 0.5}), ("sgd+sam", {"sam_rho": 1.0}), ("sgd+asam", {})))
    ascent = Ascent(stacked_gradient(Cubic(), shared_batch=False), groups, KINDS, shares_batch=False)
    w, calls = torch.tensor([[3.0, 4.0]] * 4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    batch = torch.tensor([1.0, 1.0, 2.0, 1.0], dtype=torch.float64)[:, None]
    first = {"w": batch * 3 * w**2}
    scalars = [{name: torch.from_numpy(values[0].copy()) for name, values in group.scalars(0, 1, 5).items()} for group in groups]
    found = ascent.gradients({"w": w}, {"calls": calls}, first, scalars, batch)["w"]
    assert ascent.is_needed
    assert torch.equal(found[0], first["w"][0])
    for lane, rho in ((1, 0.5), (2, 1.0)):
        uphill = w[lane] + rho * first["w"][lane] / first["w"][lane].norm()
        torch.testing.assert_close(found[lane], batch[lane] * 3 * uphill**2)
    assert (found[3] > first["w"][3]).all()


def test_tiles_without_such_lanes_need_none():
    groups = group_lanes(lanes(("sgd", {}), ("adam", {})))
    assert not Ascent(stacked_gradient(Cubic(), shared_batch=True), groups, KINDS, shares_batch=True).is_needed
    assert takes_two(get("adam+asam").rule())
    assert not takes_two(get("adam").rule())


def test_a_module_is_left_as_it_was_found():
    module, (lane,) = Cubic(), lanes(("sgd+sam", {"sam_rho": 0.5}))
    blocks = lay_out([module.w], lane.rule, lane.hypers, ["vector"])
    g = 3 * module.w.detach() ** 2
    with torch.no_grad():
        parts = [Part(lane.rule, blocks[0].storage, g, {}, {"sam_rho": 0.5})]
        (found,) = single_second_gradient(module, [module.w], torch.ones(1, dtype=torch.float64), blocks, parts, accumulate=False)
    torch.testing.assert_close(found, 3 * (module.w.detach() + 0.5 * g / g.norm()) ** 2)
    assert module.w.tolist() == [3.0, 4.0]
    assert module.calls == 0.0
