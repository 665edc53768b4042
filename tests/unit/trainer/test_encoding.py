"""Nested state as JSON and tensors, and back."""

import json
import math

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.trainer.encoding import decode, encode, merge, select

VALUES = [
    None,
    True,
    3,
    "text",
    0.1,
    math.inf,
    (1, 2.0),
    [1, [2]],
    {0: {"a": (0.9, 0.999)}, "b": None},
    torch.bfloat16,
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_values_come_back_with_their_types(value):
    tensors = {}
    found = decode(json.loads(json.dumps(encode(value, "x", tensors), allow_nan=False)), tensors)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("make", [torch.optim.AdamW, lambda p: torch.optim.SGD(p, momentum=0.9), torch.optim.Adafactor])
def test_the_state_of_torchs_optimizers_comes_back(make):
    layer = nn.Linear(3, 2)
    optimizer = make(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    tensors = {}
    state = decode(json.loads(json.dumps(encode(optimizer.state_dict(), "optimizer", tensors))), tensors)
    other = make(layer.parameters())
    other.load_state_dict(state)
    assert str(other.state_dict()) == str(optimizer.state_dict())
    assert all(name.startswith("optimizer.") for name in tensors)


def test_anything_else_is_refused_by_its_place():
    with pytest.raises(
        InputError, match=r"state\.a\.1 is of type function, which a checkpoint cannot hold without code\. Use an optimizer"
    ):
        encode({"a": [1, len and test_the_state_of_torchs_optimizers_comes_back]}, "state", {})


def test_parts_of_an_optimizers_state_become_one_and_are_chosen_from():
    tensors, parts = {}, []
    for places in ([2, 0], [1]):
        state = {place: {"exp_avg": torch.full((2,), float(place))} for place in places}
        parts.append(encode({"state": state, "param_groups": [{"lr": 0.1}]}, "optimizer", tensors))
    whole = decode(merge(parts), tensors)
    assert list(whole["state"]) == [0, 1, 2]
    assert whole["param_groups"] == [{"lr": 0.1}]
    assert all(torch.equal(held["exp_avg"], torch.full((2,), float(place))) for place, held in whole["state"].items())
    # What was left out is not even looked for among the tensors.
    assert list(decode(select(merge(parts), lambda place: place == 1), {"optimizer.state.1.exp_avg": torch.ones(2)})["state"]) == [1]
    assert merge(parts[:1]) is parts[0]
