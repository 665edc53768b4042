import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.doctor.looking import Flats, Given, Look, bare, look_again, visible


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.drop, self.last, self.calls = nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2), 0
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        self.seen += 1
        return self.last(self.drop(F.relu(self.first(x))))


def looked(model, *inputs, **settings):
    look = Look(model, **settings)
    try:
        for x in inputs:
            model(x)
    finally:
        look.close()
    return look


def test_the_first_call_of_every_module_is_looked_at():
    model = Net()
    look = looked(model, torch.ones(5, 3), torch.full((5, 3), 100.0))
    assert [seen.name for seen in look.activations] == ["first", "drop", "last"]
    assert look.entrances == [""]
    assert list(look.flats) == ["the model (Net), relu"]
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_functions_that_are_no_modules_are_seen():
    model = Net()
    with torch.no_grad():
        model.first.weight.zero_()
        model.first.bias.copy_(torch.tensor([-1.0, -1.0, -1.0, 1.0]))
    flats = looked(model, torch.ones(5, 3)).flats["the model (Net), relu"]
    assert (flats.rows, flats.unit.count, flats.unit.dead) == (5, 4, 0.75)


def test_evaluation_is_not_looked_at():
    model = Net()
    look = Look(model)
    with torch.no_grad():
        model(torch.ones(5, 3))
    look.close()
    assert look.activations == []


def test_modules_that_are_called_one_by_one_are_entrances():
    model = Net()
    look = Look(model)
    model.last(model.first(torch.ones(5, 3)))
    look.close()
    assert look.entrances == ["first", "last"]


def test_a_forward_that_raises_leaves_nothing():
    model = Net()
    look = Look(model)
    with pytest.raises(RuntimeError):
        model(torch.ones(5, 9))
    look.close()
    assert torch.relu(torch.ones(2, 2)).sum() == 4
    assert look.flats == {}


def test_the_first_module_that_breaks_is_named():
    model = nn.Sequential(nn.Linear(3, 4), nn.LogSoftmax(1), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.fill_(3e38)
    assert looked(model, torch.full((2, 3), 100.0)).broken == "the output of 0 (Linear)"


def test_modules_in_evaluation_mode_are_named_where_that_matters():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.0), nn.Dropout(0.1))
    assert looked(model, torch.ones(5, 3)).asleep == ()
    model.eval()
    assert looked(model, torch.ones(5, 3)).asleep == ("1", "3")
    model[1].requires_grad_(False)
    assert looked(model, torch.ones(5, 3)).asleep == ("3",)


def test_outputs_are_handed_on():
    handed = []
    looked(Net(), torch.ones(5, 3), torch.ones(5, 3), on_output=lambda out: handed.append(out.shape))
    assert handed == [(5, 2), (5, 2)]


def test_a_second_forward_leaves_the_model_as_it_was():
    model = Net()
    model(torch.ones(5, 3))
    before, stream = {name: value.clone() for name, value in model.state_dict().items()}, torch.random.get_rng_state()
    look = look_again(model, [(model, Given((torch.ones(5, 3),), {}, "cpu", None))])
    assert [seen.name for seen in look.activations] == ["first", "drop", "last"]
    assert model.calls == 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), stream)


def test_what_a_model_was_given():
    calls = [((torch.ones(7, 3),), {}), ((3, {"x": torch.ones(7, 3)}), {}), ((), {"scale": torch.tensor(1.0), "x": torch.ones(7)})]
    assert [Given(args, kwargs, "cpu", None).rows for args, kwargs in calls] == [7, 7, 7]
    assert Given((), {}, "cpu", None).rows is None


def flats(*dead):
    mask = torch.tensor(dead)
    return Flats("f", "relu", 4, {1: mask}, {1: torch.zeros_like(mask)})


def test_a_unit_is_dead_if_it_is_on_all_rows_ever_seen():
    one = flats(True, True, False)
    one.join(flats(True, False, False))
    assert (one.rows, one.unit.dead) == (8, pytest.approx(1 / 3))
    one.join(flats(True, True))
    assert (one.rows, one.unit.dead) == (4, 1.0)


def test_what_is_compiled_is_not_looked_into():
    inner = torch.compile(Net(), backend="eager")
    assert [name for name, _ in visible(nn.Sequential(nn.Linear(3, 3), inner))] == ["", "0", "1"]
    assert isinstance(bare(inner), Net)
