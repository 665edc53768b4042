import pytest
import torch
from torch import nn

from ravine.base.errors import InputError
from ravine.doctor import loop_parts


def model():
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def test_parameters_that_no_optimizer_has():
    made = model()
    params, log = loop_parts.begun(made, [torch.optim.SGD(made[1].parameters(), lr=0.1)])
    assert list(params) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert log.strangers == ("0.weight", "0.bias")
    made[0].requires_grad_(False)
    own = torch.optim.SGD(made[1].parameters(), lr=0.1)
    assert loop_parts.begun(made, [own])[1].strangers == ()
    assert [id(p) for p in loop_parts.stepped(params, own)] == [id(made[1].weight), id(made[1].bias)]


def test_biases_that_decay_with_matrices():
    made = model()
    assert loop_parts.begun(made, [torch.optim.AdamW(made.parameters())])[1].decayed == ("0.bias", "1.bias")
    assert loop_parts.begun(made, [torch.optim.Adam(made.parameters())])[1].decayed == ()
    groups = [{"params": [p for p in made.parameters() if p.ndim > 1]}, {"params": [made[0].bias, made[1].bias], "weight_decay": 0.0}]
    assert loop_parts.begun(made, [torch.optim.AdamW(groups)])[1].decayed == ()


def test_several_optimizers_and_wrapped_ones():
    first, second = (torch.optim.SGD(part.parameters(), lr=lr) for part, lr in zip(model(), (0.1, 0.2), strict=True))

    class Wrapped:
        optimizer = first

    assert loop_parts.optimizers_of([Wrapped(), second]) == [first, second]
    assert loop_parts.highest_rate([first, second]) == 0.2
    with pytest.raises(InputError, match="optimizer=list: must be"):
        loop_parts.optimizers_of([])


def test_the_rate_that_a_schedule_has_in_mind():
    optimizer = torch.optim.SGD(model().parameters(), lr=0.1)
    assert loop_parts.peak_rate([optimizer]) is None
    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.7, total_steps=10)
    assert loop_parts.peak_rate([optimizer]) == 0.7


def test_closures():
    assert loop_parts.has_closure((None, lambda: 1), {})
    assert loop_parts.has_closure((None,), {"closure": lambda: 1})
    assert not loop_parts.has_closure((None,), {})
    assert not loop_parts.has_closure((None, None), {"closure": None})


def test_gradients_that_are_not_those_of_the_step():
    optimizer = torch.optim.SGD(model().parameters(), lr=0.1)
    assert loop_parts.are_final(optimizer, (optimizer,), {})
    assert not loop_parts.are_final(optimizer, (optimizer, lambda: 1), {})
    optimizer.grad_scale = torch.tensor(2.0)
    assert not loop_parts.are_final(optimizer, (optimizer,), {})


def test_one_process_writes_and_averages_with_itself():
    assert loop_parts.is_first()
    assert loop_parts.processes(model()) == 1
    assert len(list(loop_parts.around(torch.compile(model(), backend="eager")))) == 2


@pytest.mark.parametrize("value", ["high", None, torch.ones(2)])
def test_a_number_is_one(value):
    with pytest.raises(InputError, match="loss"):
        loop_parts.number("loss", value)
    assert loop_parts.number("loss", torch.ones(1, 1)) == 1.0


@pytest.mark.parametrize(("kind", "is_scaled"), [(torch.optim.Adam, True), (torch.optim.AdamW, False), (torch.optim.SGD, False)])
def test_how_parameters_decay(kind, is_scaled):
    made = model()
    groups = [{"params": list(made[0].parameters()), "weight_decay": 0.1}, {"params": list(made[1].parameters())}]
    _, log = loop_parts.begun(made, [kind(groups, lr=0.1, weight_decay=0.0)])
    assert list(log.decays) == ["0.weight", "0.bias"]
    assert (log.decays["0.weight"].strength, log.decays["0.weight"].is_scaled) == (0.1, is_scaled)
