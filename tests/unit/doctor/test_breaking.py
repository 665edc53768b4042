import torch
from torch import nn

from ravine.doctor.breaking import is_broken, place_of_break, witnesses
from ravine.doctor.looking import Given


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def with_gradients(*values):
    made = model()
    for p, value in zip(made.parameters(), values, strict=True):
        p.grad = torch.full_like(p, value)
    return made


def test_witnesses_stand_at_both_ends():
    made = model()
    assert [id(p) for p in witnesses(list(made.parameters()))] == [id(made[0].bias), id(made[2].bias)]
    assert len(witnesses([made[0].weight])) == 1


def test_a_gradient_that_is_not_finite_is_seen():
    made = with_gradients(1, float("inf"), 1, 1)
    first, last = witnesses(list(made.parameters()))
    assert is_broken([first, last])
    first.grad = None
    assert not is_broken([first, last])
    last.grad[0] = float("nan")
    assert is_broken([first, last])
    assert is_broken([last])
    assert not is_broken(list(model().parameters()))


def test_weights_come_first():
    made = with_gradients(1, 1, 1, 1)
    with torch.no_grad():
        made[2].weight[0, 0] = float("nan")
    assert place_of_break(made, []) == "the weights 2.weight, changed by an earlier step"


def test_then_outputs():
    made = with_gradients(1, 1, 1, 1)
    with torch.no_grad():
        made[0].weight.fill_(3.0)
    given = Given((torch.full((2, 3), 3e38),), {}, "cpu", None)
    assert place_of_break(made, [(made, given)]).startswith("the output of ")


def test_then_gradients_and_the_loss():
    nan = float("nan")
    assert place_of_break(with_gradients(nan, nan, 1, 1), []) == "the gradient of 0.bias, on the way back from the loss"
    assert place_of_break(with_gradients(nan, nan, nan, nan), []) == "the loss, from a finite output"


def test_a_model_that_cannot_be_called_again_is_placed_by_its_gradients():
    nan = float("nan")
    made = with_gradients(nan, nan, 1, 1)
    assert place_of_break(made, [(made, Given((torch.ones(2, 9),), {}, "cpu", None))]).startswith("the gradient of 0.bias")
