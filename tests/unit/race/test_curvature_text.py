from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ravine.fleet.curvature import single_curvature
from ravine.race._curvature_text import IMPORTS, curvature_text
from ravine.rules import resolve
from ravine.tasks import load
from ravine.tasks.objective import Objective


@pytest.mark.parametrize("name", ["sophia_g", "sophia_h"])
def test_the_estimate_is_the_fleet_s(name):
    task = load("digits")
    objective = Objective(task.build(3), task)
    objective.model.append(nn.BatchNorm1d(10)).register_parameter("unused", nn.Parameter(torch.tensor(1.0)))
    rule, _ = resolve(name, {})
    batch = tuple(part[:16] for part in task.data.train)
    training = SimpleNamespace(race_seed=5, support=SimpleNamespace(draws_random=False))
    named = dict(objective.named_parameters())
    expected = single_curvature(objective, named, batch, rule, training=training, place=(2, 11))

    sections = curvature_text(
        from_labels=name == "sophia_g", batch="inputs, target", output="model(inputs)", criterion="F.cross_entropy", seed=""
    )
    scope = {"RACE_SEED": 5, "LANE_SEED": 2, "F": nn.functional}
    exec("\n".join([*IMPORTS, *sections]), scope)
    buffers = [buffer.clone() for buffer in objective.buffers()]
    found = scope["curvature"](objective.model, *batch, 11)
    assert list(found) == list(named.values())
    assert sum(float(value.abs().sum()) for value in found.values()) > 0
    for ours, theirs in zip(expected, found.values(), strict=True):
        torch.testing.assert_close(theirs, torch.zeros_like(theirs) if ours is None else ours)
    assert all(torch.equal(old, new) for old, new in zip(buffers, objective.buffers(), strict=True))


def test_a_task_with_a_step_is_given_the_batch_whole_and_draws_from_a_seed_of_its_own():
    text = curvature_text(from_labels=False, batch="batch", output="", criterion="task.step", seed="seed_everything({seed})")[-1]
    assert "def curvature(model, batch, t):" in text
    assert "    loss = task.step(model, batch)\n" in text
    assert '    seed_everything(derive(RACE_SEED, LANE_SEED, "curvature dropout", t))\n' in text
