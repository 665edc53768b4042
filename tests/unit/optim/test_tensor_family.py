import doctest

import torch

from ravine import optim
from ravine.optim import tensor_family


def test_examples():
    result = doctest.testmod(tensor_family)
    assert result.attempted > 0
    assert result.failed == 0


def test_torchs_word_for_the_spacing_of_numbers():
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = optim.Adafactor([{"params": [weight], "eps": (None, 0.5)}], eps=(1e-3, 1e-3))
    assert optimizer.param_groups[0]["eps"] == (0.0, 0.5)
    assert optimizer.state_dict()["param_groups"][0]["eps"] == (None, 0.5)
    optimizer.load_state_dict(optimizer.state_dict())
    assert optimizer.param_groups[0]["eps"] == (0.0, 0.5)


def test_a_matrix_has_no_state_of_its_own_size():
    weight = torch.nn.Parameter(torch.ones(40, 30))
    optimizer = optim.Adafactor([weight])
    weight.grad = torch.ones(40, 30)
    optimizer.step()
    assert sum(value.numel() for value in optimizer.state[weight].values()) == 40 + 30 + 1
