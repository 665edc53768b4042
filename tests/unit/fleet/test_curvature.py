from types import SimpleNamespace as N

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lane_models import lanes
from ravine.base.errors import TaskError
from ravine.fleet import Fleet
from ravine.fleet.curvature import SampledLoss, class_dimension, label_problem, signs, single_curvature, wants
from ravine.rules import resolve
from ravine.tasks import Task, load

TRAINING = N(race_seed=3, support=N(draws_random=False))


def rule(name):
    return resolve(name, {})[0].at(1, N())


class Objective(nn.Module):
    def __init__(self, model, loss=F.cross_entropy):
        super().__init__()
        self.model, self.task = model, N(loss=loss, step=None)

    def forward(self, batch):
        return self.task.loss(self.model(batch[0]), batch[1])


def test_rules_want_estimates_at_their_steps():
    assert wants(rule("sophia_g"))
    assert not wants(resolve("sophia_g", {})[0].at(2, N()))
    assert not wants(rule("adam"))


def test_signs_depend_on_seed_step_and_parameter_and_on_nothing_else():
    like = torch.zeros(50)
    one = signs(TRAINING, 1, 1, "weight", like)
    assert set(one.tolist()) == {-1.0, 1.0}
    assert torch.equal(one, signs(TRAINING, 1, 1, "weight", like))
    for others in ((2, 1, "weight"), (1, 2, "weight"), (1, 1, "bias")):
        assert not torch.equal(one, signs(TRAINING, *others, like))
    assert signs(TRAINING, 1, 1, "scale", torch.zeros(())).shape == ()


@pytest.mark.parametrize(
    ("output", "target", "expected"), [((4, 3), (4,), 1), ((4, 3, 5), (4, 5), 1), ((4, 5, 3), (4, 5), 2), ((4, 3, 2, 2), (4, 2, 2), 1)]
)
def test_classes_stand_second_or_last(output, target, expected):
    assert class_dimension(torch.zeros(output), torch.zeros(target, dtype=torch.int64)) == expected


@pytest.mark.parametrize(
    ("output", "target"),
    [
        (torch.zeros(4, 3), torch.zeros(4, 3)),
        (torch.zeros(4), torch.zeros(4, dtype=torch.int64)),
        (torch.zeros(4, 3), torch.zeros(5, dtype=torch.int64)),
        ((torch.zeros(4, 3),), torch.zeros(4, dtype=torch.int64)),
    ],
)
def test_what_is_no_class_score_is_refused(output, target):
    with pytest.raises(TaskError, match="Use sophia_h instead, which needs no labels"):
        class_dimension(output, target)


def test_sampled_labels_follow_the_scores_and_leave_out_what_the_data_leaves_out():
    objective, stream = Objective(nn.Identity()), np.random.default_rng(0)
    scores, target = torch.log(torch.tensor([0.2, 0.8])).expand(4000, 2), torch.zeros(4000, dtype=torch.int64)
    loss, count = SampledLoss(objective)((scores, target), lambda shape: stream.gumbel(size=shape))
    assert loss.item() == pytest.approx(0.5004, abs=0.05)
    assert count == 4000
    target[:3000] = -100
    assert SampledLoss(objective)((scores, target), lambda shape: stream.gumbel(size=shape))[1] == 1000


def test_a_hessian_that_is_diagonal_is_found_exactly():
    objective = Objective(nn.Identity(), lambda x, y: (x * y).sum() * 0.0)
    objective.weight, objective.linear = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.ones(2))
    objective.forward = lambda batch: (objective.weight**3).sum() + objective.linear.sum()
    found = single_curvature(
        objective, dict(objective.named_parameters()), (torch.ones(1),), rule("sophia_h"), training=TRAINING, place=(0, 1)
    )
    assert found[0].tolist() == [6.0, 12.0]
    assert found[1].tolist() == [0.0, 0.0]


def test_estimates_leave_buffers_and_the_batch_alone():
    objective = Objective(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)))
    before = {name: buffer.clone() for name, buffer in objective.named_buffers()}
    batch = (torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(8, dtype=torch.int64))
    for name in ("sophia_g", "sophia_h"):
        found = single_curvature(objective, dict(objective.named_parameters()), batch, rule(name), training=TRAINING, place=(0, 1))
        assert all(one is not None and one.isfinite().all() for one in found)
    assert all(torch.equal(before[name], buffer) for name, buffer in objective.named_buffers())


def regression(model=None):
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    return Task("regression", model or (lambda: nn.Linear(3, 1)), (x, x[:, :1]), (x, x[:, :1]), F.mse_loss, batch_size=4)


@pytest.mark.parametrize("mode", ["loop", "stacked"])
def test_sophia_g_needs_class_indices_and_offers_sophia_h(mode):
    engine = Fleet(regression(), race_seed=0)
    members = lanes(("sophia_g", {}))
    with pytest.raises(TaskError, match=r"the task has an output of .* Use sophia_h instead"):
        engine._tile(members, mode, 5).run(1)
    assert engine._tile(lanes(("sophia_h", {})), mode, 5).run(3)[1].all()


class Fused(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.head = nn.Linear(3, 12), nn.Linear(4, 1)

    def forward(self, x):
        q, k, v = (part[None, None] for part in self.qkv(x).chunk(3, -1))
        return self.head(F.scaled_dot_product_attention(q, k, v)[0, 0])


def test_operations_that_are_differentiated_once_only_are_named():
    engine = Fleet(regression(Fused), race_seed=0)
    with pytest.raises(TaskError, match=r"curvature of the model cannot be estimated: .* Use sophia_g, which differentiates once"):
        engine._tile(lanes(("sophia_h", {})), "loop", 5).run(1)


def test_a_task_is_asked_for_labels_before_anything_runs():
    assert label_problem(load("digits")) is None
    assert label_problem(load("line")).startswith("the task has an output of (1, 1) and a target of (1, 1) (torch.float32): sophia_g")

    def broken():
        raise RuntimeError("not yet")

    assert label_problem(N(data=load("line").data, build=lambda seed: broken())) is None, "the race says so in its own words"
