"""Functions are kept out of `torch.compile`; where its compiler is not there, torch's switch, which loads it, is passed by."""

import pytest
import torch

from ravine import optim
from ravine.optim import _compiler
from ravine.optim._compiler import uncompiled, unswitched


def parameter():
    return [torch.nn.Parameter(torch.ones(1))]


@pytest.fixture(params=[True, False], ids=["compiler", "no compiler"])
def is_there(request, monkeypatch):
    # A module that certainly is there, or is not: the compiler itself cannot be unloaded.
    monkeypatch.setattr(_compiler, "_COMPILER", "torch" if request.param else "torch.nowhere")
    return request.param


def test_a_function_is_called_by_the_switch_only_where_somebody_may_compile(is_there, monkeypatch):
    used = []
    monkeypatch.setattr(torch, "_disable_dynamo", lambda function: lambda *args, **kwargs: used.append(1) or function(*args, **kwargs))
    assert uncompiled(lambda one, *, other: one - other)(3, other=1) == 2
    assert bool(used) == is_there


def test_so_is_a_method_of_torchs_base_class(is_there):
    optimizer = torch.optim.SGD(parameter(), lr=0.5)
    method = unswitched(optimizer.state_dict)
    assert (method == optimizer.state_dict) == is_there
    assert method()["param_groups"][0]["lr"] == 0.5


@pytest.mark.usefixtures("is_there")
def test_a_method_of_somebody_else_is_left_alone():
    method = optim.AdamW(parameter()).state_dict
    assert unswitched(method) == method
