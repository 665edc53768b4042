"""Stacked gradients against one module at a time."""

import pytest
import torch
from torch import nn

from lane_models import HELD, fleet
from ravine.fleet.data import gather
from ravine.fleet.gradients import single_gradient, stacked_gradient, stacked_metrics
from ravine.fleet.stacking import split_state


def stacked(objectives):
    states = [split_state(objective) for objective in objectives]
    return tuple({name: torch.stack([state[part][name] for state in states]) for name in states[0][part]} for part in (0, 1))


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("shared", [True, False])
def test_every_lane_gets_the_gradient_of_its_own_loss(name, shared):
    engine = fleet(name)
    objectives = [engine.model(seed) for seed in (1, 2)]
    indices = torch.tensor([[0, 1, 2], [3, 4, 5]])
    batches = [gather(engine.train, indices[0 if shared else lane]) for lane in (0, 1)]
    parameters, buffers = stacked(objectives)
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    torch.manual_seed(0)
    batch = batches[0] if shared else gather(engine.train, indices)
    gradients, losses, after = stacked_gradient(engine.model(0).train(), shared_batch=shared)(parameters, buffers, batch)
    for lane, objective in enumerate(objectives):
        named = dict(objective.train().named_parameters())
        torch.manual_seed(0)
        expected, loss = single_gradient(objective, list(named.values()), batches[lane])
        torch.testing.assert_close(losses[lane].detach(), loss)
        for key, gradient in zip(named, expected, strict=True):
            torch.testing.assert_close(gradients[key][lane], gradient, atol=1e-12, rtol=1e-10)
        for key, buffer in objective.named_buffers():
            torch.testing.assert_close(after[key][lane], buffer)
    assert all(torch.equal(before[key], buffers[key]) for key in buffers), "the state of before is not changed"


@pytest.mark.parametrize("name", HELD)
def test_metrics_are_those_of_each_lane_in_evaluation_mode(name):
    engine = fleet(name)
    objectives = [engine.model(seed).eval() for seed in (1, 2)]
    parameters, buffers = stacked(objectives)
    split = engine.task.data.validation
    with torch.no_grad():
        values = stacked_metrics(engine.model(0).eval())(parameters, buffers, split)
        for lane, objective in enumerate(objectives):
            for metric, value in objective(split, evaluate=True).items():
                torch.testing.assert_close(values[metric][lane], value)


@pytest.mark.parametrize("accumulate", [False, True])
def test_unused_parameters_get_none(accumulate):
    used, unused = nn.Linear(2, 1), nn.Parameter(torch.ones(3))
    gradients, loss = single_gradient(nn.Sequential(used), [used.weight, unused], torch.ones(1, 2), accumulate=accumulate)
    assert gradients[0].tolist() == [[1.0, 1.0]]
    assert gradients[1] is None
    assert used.weight.grad is None
    assert not loss.requires_grad


def test_hooks_on_accumulation_run_where_gradients_accumulate():
    layer = nn.Linear(2, 1)

    def triple(p):
        p.grad.mul_(3)

    layer.weight.register_post_accumulate_grad_hook(triple)
    gradients, _ = single_gradient(layer, [layer.weight], torch.ones(1, 2), accumulate=True)
    assert gradients[0].tolist() == [[3.0, 3.0]]
