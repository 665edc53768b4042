import doctest
import math

import pytest
import torch

from ravine.base.errors import InputError
from ravine.optim import clip_grad_agc_, clip_grad_norm_, clip_grad_value_, clipping
from streams import give_gradients, parameters, same


def given(dtype=torch.float64, skip=(1,)):
    params = parameters(dtype=dtype)
    give_gradients(params, 0, skip=skip)
    return params


def grads(params):
    return [param.grad.clone() for param in params if param.grad is not None]


def test_examples():
    result = doctest.testmod(clipping)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("foreach", [None, False])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, math.inf])
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 100.0])
def test_equals_torch(norm_type, max_norm, foreach):
    ours, theirs = given(), given()
    if math.isinf(norm_type):  # torch has no largest element of an empty gradient
        ours[4].grad = theirs[4].grad = None
    mine = clip_grad_norm_(ours, max_norm, norm_type, foreach=foreach)
    other = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    torch.testing.assert_close(mine, other)
    for a, b in zip(grads(ours), grads(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_leaves_all_gradients_alone(bad):
    params = given()
    params[0].grad[0, 0] = bad
    before = grads(params)
    assert not clip_grad_norm_(params, 1.0).isfinite()
    assert same(grads(params), before)
    with pytest.raises(InputError, match=r"the norm of the gradients is (nan|inf): must be finite"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)


def test_half_precision_does_not_overflow():
    """Squares of 300 are beyond float16."""
    weight = torch.nn.Parameter(torch.zeros(100, dtype=torch.float16))
    weight.grad = torch.full((100,), 300.0, dtype=torch.float16)
    norm = clip_grad_norm_(weight, 1.0)
    assert (norm.dtype, norm.item()) == (torch.float32, pytest.approx(3000.0))
    assert weight.grad.float().norm().item() == pytest.approx(1.0, rel=1e-3)
    assert weight.grad.dtype == torch.float16


def test_dtypes_may_be_mixed():
    params = [torch.nn.Parameter(torch.zeros(1, dtype=dtype)) for dtype in (torch.float64, torch.bfloat16)]
    for param, value in zip(params, (3.0, 4.0), strict=True):
        param.grad = torch.full_like(param, value)
    assert clip_grad_norm_(params, 2.5).item() == pytest.approx(5.0)
    assert [param.grad.item() for param in params] == pytest.approx([1.5, 2.0], rel=1e-2)


def test_without_gradients_the_norm_is_0():
    assert clip_grad_norm_(parameters(), 1.0).item() == 0.0
    assert clip_grad_norm_([], 1.0).item() == 0.0


@pytest.mark.parametrize("foreach", [None, False])
def test_values_equal_torchs(foreach):
    ours, theirs = given(), given()
    clip_grad_value_(iter(ours), 0.3, foreach)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    assert same(grads(ours), grads(theirs))


def test_units_are_clipped_by_their_weights():
    weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    weight.grad = torch.tensor([[6.0, 8.0], [math.nan, 1.0]])
    norm = clip_grad_agc_(weight, 0.1)
    assert norm.isnan()
    assert weight.grad[0].tolist() == pytest.approx([0.3, 0.4])
    assert weight.grad[1].isnan().tolist() == [True, False]
    bias = torch.nn.Parameter(torch.zeros(2))
    bias.grad = torch.tensor([3.0, 4.0])
    assert clip_grad_agc_([bias], 0.1).item() == 5.0
    assert bias.grad.norm().item() == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: clip_grad_norm_(p, -1.0), "max_norm=-1.0: must be at least 0"),
        (lambda p: clip_grad_norm_(p, 1.0, 0.0), "norm_type=0.0: must be above 0"),
        (lambda p: clip_grad_value_(p, "x"), "clip_value='x': must be a number"),
        (lambda p: clip_grad_agc_(p, -0.1), "clip_factor=-0.1"),
    ],
)
def test_bad_bounds_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(given())


def test_a_sharded_gradient_counts_as_a_whole(tmp_path):
    """In one process, whose shard is the whole; that the sum goes over all of them is DTensor's."""
    distributed = torch.distributed
    if not distributed.is_available():
        pytest.skip("torch was built without distributed")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        mesh = init_device_mesh("cpu", (1,))
        weight = torch.nn.Parameter(distribute_tensor(torch.zeros(4, 2), mesh, [Shard(0)]))
        weight.grad = distribute_tensor(torch.full((4, 2), 2.0), mesh, [Shard(0)])
        bias = torch.nn.Parameter(torch.zeros(1))
        bias.grad = torch.full((1,), 2.0)
        norm = clip_grad_norm_([weight, bias], 3.0)
        assert (type(norm), norm.item()) == (torch.Tensor, pytest.approx(6.0))
        assert weight.grad.full_tensor()[0, 0].item() == bias.grad.item() == pytest.approx(1.0)
        clip_grad_value_([weight, bias], 0.5)
        assert weight.grad.full_tensor().max().item() == 0.5
    finally:
        distributed.destroy_process_group()
