"""torch's `capturable=True`: the same steps with nothing read by the host, so that a CUDA graph can hold them."""

import pytest
import torch

from cases import CASES
from ravine import optim
from ravine.base.errors import InputError
from streams import give_gradients, parameters, rate, train, values


def is_capturable(case):
    try:
        case.build(parameters(), driver="capturable")
    except InputError:
        return False
    return True


ROWS = [case for case in CASES if is_capturable(case)]


def test_most_element_rules_are_capturable():
    assert {"sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw", "lion", "adamax", "radam", "adabelief", "adopt"} <= {
        c.name for c in ROWS
    }


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
def test_the_steps_are_the_references(case):
    ours, theirs = parameters(), parameters()
    mine, reference = (case.build(params, driver=driver) for params, driver in ((ours, "capturable"), (theirs, "per_tensor")))
    for step in range(20):
        for optimizer, params in ((mine, ours), (reference, theirs)):
            optimizer.param_groups[0]["lr"] = case.full["lr"] * rate(step)
            give_gradients(params, step, skip=(1,) if step % 5 == 3 else ())
            optimizer.step()
    for a, b in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
def test_nothing_is_read_by_the_host(case, monkeypatch):
    params = parameters()
    optimizer = case.build(params, driver="capturable", lr=torch.tensor(case.full["lr"], dtype=torch.float64))
    train(optimizer, params, 1)
    give_gradients(params, 1)

    def forbidden(*_, **__):
        raise AssertionError("the host has read a tensor")

    for name in ("item", "tolist", "__float__", "__int__", "__bool__", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, forbidden)
    optimizer.step()
    monkeypatch.undo()
    assert all(optimizer.state[param]["step"] == 2 for param in params)


def test_torchs_switch_names_the_driver():
    params = parameters()
    assert optim.AdamW(params, capturable=True).defaults["driver"] == "capturable"
    with pytest.raises(InputError, match="capturable=True and fused=True: two answers"):
        optim.AdamW(params, capturable=True, fused=True)


@pytest.mark.parametrize(
    ("name", "reason"), [("soap", "decides on the host"), ("nadam", "needs the step as a number"), ("prodigy", "decides on the host")]
)
def test_what_cannot_be_captured_says_why(name, reason):
    with pytest.raises(InputError, match=f"driver='capturable' for .*{reason}"):
        optim.create(name, parameters(((4, 4),)), driver="capturable")


def test_a_checkpoint_of_it_goes_on_without_and_back():
    params, others = parameters(), parameters()
    first = optim.AdamW(params, capturable=True)
    train(first, params, 3)
    second = optim.AdamW(others)
    second.load_state_dict(first.state_dict())
    assert second.defaults["driver"] == "auto"
    assert all(second.state[param]["step"] == 3 for param in others)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_graph_holds_the_step():
    params = [torch.nn.Parameter(torch.ones(8, device="cuda"))]
    twin = [torch.nn.Parameter(torch.ones(8, device="cuda"))]
    optimizer, reference = optim.AdamW(params, lr=0.1, capturable=True), optim.AdamW(twin, lr=0.1)
    params[0].grad, twin[0].grad = torch.ones(8, device="cuda"), torch.ones(8, device="cuda")
    optimizer.step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    for _ in range(3):
        graph.replay()
    for _ in range(4):
        reference.step()
    torch.testing.assert_close(params[0], twin[0])
