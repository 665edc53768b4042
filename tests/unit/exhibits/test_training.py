"""The plain training: what is shown of a step is what the step did."""

import itertools

import pytest
import torch

from ravine.base._seeds import derive
from ravine.base.errors import DivergedError, InputError, UnknownNameError
from ravine.exhibits._training import Settings, batches, train
from ravine.optim import create as create_optimizer
from ravine.tasks import create


def seen(task, settings):
    moments = []

    def look(moment):
        now = {name: p.detach().clone() for name, p in moment.named.items()}
        moments.append((moment.step, moment.loss, dict(moment.before), now, dict(moment.gradients)))

    return train(task, settings, look), moments


def test_a_step_is_the_rule_s():
    _, moments = seen(create("line"), Settings("sgd", 4, lr=0.05))
    assert [moment[0] for moment in moments] == [1, 2, 3, 4]
    for _, _, before, after, gradients in moments:
        for name, p in before.items():
            assert torch.allclose(after[name], p - 0.05 * gradients[name])
    for (_, _, _, after, _), (_, _, before, _, _) in itertools.pairwise(moments):
        assert all(torch.equal(after[name], before[name]) for name in after)


@pytest.mark.parametrize("name", ["adam", "adamw+sam", "muon", "schedule_free_adamw"])
def test_it_equals_a_loop_by_hand(name):
    task = create("digits")
    settings = Settings(name, 3, lr=1e-2, seed=7)
    trained, _ = seen(task, settings)
    again, _ = seen(task, settings)
    for one, other in zip(trained.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    if name != "adam":
        return
    hand = task.build(derive(7, "model"))
    optimizer = create_optimizer(name, hand.parameters(), lr=1e-2)
    for *inputs, target in batches(task, settings):
        optimizer.zero_grad()
        task.loss(hand(*inputs), target).backward()
        optimizer.step()
    for one, other in zip(trained.model.parameters(), hand.parameters(), strict=True):
        assert torch.equal(one, other)


def test_batches_and_weights_follow_the_seed():
    task = create("digits")
    (first, _), (again, _), (other, _) = (next(batches(task, Settings(seed=seed))) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    starts = [seen(task, Settings("sgd", 1, seed=seed))[1][0][2]["0.weight"] for seed in (0, 1)]
    assert not torch.equal(*starts)


def test_the_middle_of_the_search_is_the_rate():
    assert Settings("lion").rate == 1e-4
    assert Settings("lion", lr=0.5).rate == 0.5


def test_a_loss_that_is_not_finite_ends_it():
    with pytest.raises(DivergedError, match=r"the loss of 'line' is (inf|nan) at step \d+ under sgd with lr=1e\+20.*Give a smaller lr"):
        seen(create("line"), Settings("sgd", 50, lr=1e20))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"optimizer": "adm"}, UnknownNameError, "no optimizer is called 'adm'; did you mean 'adam'"),
        ({"optimizer": "sophia_h"}, InputError, "optimizer='sophia_h' steps by estimates of the curvature: must be one that steps by grad"),
        ({"steps": 0}, InputError, "steps=0: must be a whole number, at least 1"),
        ({"lr": -1.0}, InputError, r"lr=-1\.0: must be above 0"),
    ],
)
def test_bad_input(options, error, message):
    with pytest.raises(error, match=message):
        Settings(**options)
