"""BatchNorm over processes, played by one that hears itself: two with equal rows are one with all of them twice."""

import pytest
import torch
from torch import nn

from ravine.trainer import batch_statistics


@pytest.fixture
def _doubled(monkeypatch):
    """Two processes with the same rows."""
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.mul_(2.0))


CASES = [
    (nn.BatchNorm1d, (5, 3), {}),
    (nn.BatchNorm2d, (4, 3, 2, 2), {"momentum": None}),
    (nn.BatchNorm1d, (5, 3, 4), {"affine": False}),
    (nn.BatchNorm2d, (4, 3, 2, 2), {"track_running_stats": False}),
]


@pytest.mark.parametrize(("kind", "shape", "settings"), CASES)
@pytest.mark.usefixtures("_doubled")
def test_statistics_are_those_of_all_rows(kind, shape, settings):
    torch.manual_seed(0)
    x, scale = torch.randn(shape, dtype=torch.float64), torch.rand(shape, dtype=torch.float64)
    own, whole = (nn.Sequential(kind(3, **settings)).double() for _ in range(2))
    joined = batch_statistics.join(own)
    for _ in range(3):
        mine, all_rows = x.clone().requires_grad_(), torch.cat([x, x]).requires_grad_()
        output, expected = own(mine), whole(all_rows)
        torch.testing.assert_close(output, expected[: len(x)])
        # Each process's loss is a mean over its rows; gradients are averaged over processes by whoever joined them.
        (output * scale).mean().backward()
        (expected * torch.cat([scale, scale])).mean().backward()
        torch.testing.assert_close(mine.grad, 2.0 * all_rows.grad[: len(x)])
    for (name, here), there in zip(own.state_dict().items(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(here, there, msg=name)
    batch_statistics.part(joined)
    torch.testing.assert_close(own.eval()(x), whole.eval()(x))


@pytest.mark.usefixtures("_doubled")
def test_evaluation_and_the_module_afterwards_are_torchs_own(monkeypatch):
    norm = nn.BatchNorm1d(3)
    joined = batch_statistics.join(nn.Sequential(norm))
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: pytest.fail("asked in evaluation"))
    norm.eval()(torch.ones(2, 3))
    batch_statistics.part(joined)
    assert "forward" not in vars(norm)
    norm.train()(torch.ones(2, 3))


@pytest.mark.usefixtures("_doubled")
def test_low_precision_is_summed_in_float32():
    norm = nn.Sequential(nn.BatchNorm1d(3))
    batch_statistics.join(norm)
    assert norm(torch.randn(4, 3).to(torch.bfloat16)).dtype == torch.bfloat16
    assert norm[0].running_mean.dtype == torch.float32
