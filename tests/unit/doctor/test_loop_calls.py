import torch
from torch import nn

from ravine.doctor.loop_calls import Calls


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def test_the_last_call_is_remembered_with_its_casts():
    made = model()
    calls = Calls(made, None, "cpu")
    calls.attend([""])
    made(torch.ones(2, 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made(torch.ones(7, 3))
    [(module, given)] = calls.last()
    assert module is made
    assert (given.rows, given.dtype, given.device) == (7, torch.bfloat16, "cpu")


def test_modules_that_are_called_one_by_one_are_remembered_in_order():
    made = model()
    calls = Calls(made, None, "cpu")
    calls.attend([""])
    calls.attend(["0", "1"])
    made(torch.ones(5, 3))
    assert calls.names == ["0", "1"]
    assert [(module, given.args[0].shape) for module, given in calls.last()] == [(made[0], (5, 3)), (made[1], (5, 4))]
    # The root, which was attended first, is no more.
    assert not made._forward_pre_hooks


def test_evaluation_is_not_remembered():
    made = model()
    calls = Calls(made, None, "cpu")
    calls.attend([""])
    with torch.no_grad():
        made(torch.ones(5, 3))
    assert calls.last() == []


def test_the_users_own_module_stands_for_a_compiled_one():
    made = model()
    compiled = torch.compile(made, backend="eager")
    calls = Calls(compiled, made, "cpu")
    calls.attend([""])
    compiled.get_submodule("")._forward_pre_hooks.copy().popitem()[1](compiled, (torch.ones(4, 3),), {})
    assert [module for module, _ in calls.last()] == [made]


def test_nothing_is_left():
    made = model()
    calls = Calls(made, None, "cpu")
    calls.attend([""])
    made(torch.ones(5, 3))
    calls.close()
    calls.close()
    assert calls.last() == []
    assert not made._forward_pre_hooks


def test_the_same_numbers_have_the_same_mark():
    made = model()
    calls = Calls(made, None, "cpu")
    assert calls.mark is None
    calls.attend([""])
    marks = []
    for inputs in (torch.ones(2, 3), torch.ones(2, 3), torch.zeros(2, 3), torch.ones(1, 3)):
        made(inputs)
        marks.append(calls.mark)
    assert marks[0] == marks[1]
    assert len(set(marks)) == 3


class Weighed(nn.Module):
    def forward(self, x, *, count=None, mask=None):
        return x if mask is None else x * mask


def test_numbers_of_every_kind_and_shape_have_a_mark():
    made = Weighed()
    calls = Calls(made, None, "cpu")
    calls.attend([""])
    marks = []
    # The Trainer of transformers hands in the count of its items as a tensor without dimensions.
    for count in (torch.tensor(3), torch.tensor(4), torch.tensor(2.0), torch.tensor(1j), torch.ones(2, 1, dtype=torch.float16)):
        made(torch.ones(2, 3), count=count, mask=torch.ones(2, 1, dtype=torch.bool))
        marks.append(calls.mark)
    assert len(set(marks)) == 5
