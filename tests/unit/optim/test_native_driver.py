import pytest
import torch

from ravine import optim
from ravine.fleet.native import toolchain
from ravine.optim import _native_driver
from ravine.rules import resolve

needs_compiler = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler")


def parameters(dtype=torch.float32, shapes=((64, 128), (5,), (2, 3, 8, 8))):
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)) for shape in shapes]


def trained(driver, steps=5, prepare=lambda params: params, **settings):
    params = prepare(parameters())
    optimizer = optim.AdamW(params, lr=0.01, driver=driver, **settings)
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        for param in params:
            param.grad = torch.randn(param.shape, generator=generator)
        optimizer.step()
    return params, optimizer


def channels_last(params):
    return [*params[:2], torch.nn.Parameter(params[2].detach().to(memory_format=torch.channels_last))]


@needs_compiler
@pytest.mark.parametrize("prepare", [lambda params: params, channels_last], ids=["contiguous", "channels last"])
def test_the_native_driver_steps_as_the_reference(prepare):
    (mine, one), (theirs, two) = trained("native", prepare=prepare), trained("per_tensor", prepare=prepare)
    for p, q in zip(mine, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)
        assert one.state[p]["step"] == two.state[q]["step"] == 5
        torch.testing.assert_close(one.state[p]["exp_avg_sq"], two.state[q]["exp_avg_sq"], rtol=1e-6, atol=1e-9)


@needs_compiler
def test_state_in_8_bits_stays_in_8_bits():
    (mine, one), (theirs, two) = trained("native", state_dtype="8bit"), trained("per_tensor", state_dtype="8bit")
    torch.testing.assert_close(mine, theirs, rtol=0, atol=2e-3)
    state, reference = one.state[mine[0]], two.state[theirs[0]]
    assert (state["exp_avg"].dtype, state["exp_avg_sq"].dtype) == (torch.int8, torch.uint8)
    # A root on the verge of two codes may go either way; a code is 1 of 255.
    assert (state["exp_avg_sq"].int() - reference["exp_avg_sq"].int()).abs().max() <= 2
    torch.testing.assert_close(state["exp_avg_scale"], reference["exp_avg_scale"], rtol=1e-3, atol=0)
    assert one.state[mine[1]]["exp_avg"].dtype == torch.float32, "small tensors are kept as they are"


@needs_compiler
def test_codes_of_nothing_stay_nothing_and_not_a_number_shows():
    params = parameters(shapes=((16, 256),))
    optimizer = optim.AdamW(params, lr=0.01, weight_decay=0.0, driver="native", state_dtype="8bit")
    params[0].grad = torch.zeros(16, 256)
    before = params[0].detach().clone()
    optimizer.step()
    assert torch.equal(params[0], before)
    assert not optimizer.state[params[0]]["exp_avg_sq"].any()
    params[0].grad[0, 3] = torch.nan
    optimizer.step()
    assert optimizer.state[params[0]]["exp_avg_scale"][0].isnan()
    assert params[0][0, 3].isnan()
    assert torch.equal(params[0][1:], before[1:])


@needs_compiler
def test_autograd_hears_of_the_change():
    (param,) = parameters(shapes=((3,),))
    doubled = param * param
    param.grad = torch.ones(3)
    optim.SGD([param], lr=0.1, driver="native").step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        doubled.sum().backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_what_has_no_native_code_goes_another_way(dtype, monkeypatch):
    if dtype == torch.float64:
        monkeypatch.setattr(_native_driver, "update_of", lambda *_: None)  # as where there is no compiler
    results = []
    for driver in ("native", "foreach"):
        params = parameters(dtype)
        for param in params:
            param.grad = torch.ones_like(param)
        optim.AdamW(params, lr=0.1, driver=driver).step()
        results.append([param.detach() for param in params])
    assert all(map(torch.equal, *results))


def test_odd_tensors_are_left_to_others():
    rule, _ = resolve("sgd", {})
    turned = torch.randn(3, 4, 5)[:, ::2]
    assert not _native_driver.native_step(rule, {"lr": 0.1}, [turned], [turned.clone()], [{}])
    assert not _native_driver.native_step(rule, {"lr": 0.1}, [], [], [])
