import numpy as np
import pytest
import torch

from ravine.fleet import Fleet, Lane
from ravine.lab.curves import make_subject
from ravine.lab.settings import PRESET
from ravine.lab.spying import Spy, nothing_seen
from ravine.rules import registry
from ravine.schedules import create
from ravine.tasks import Objective

SETTING = {**PRESET, "width": 4, "task_options": {"target": "sine"}}
ENTRIES = (("sgd", {"lr": 0.1}), ("momentum", {"lr": 0.1}), ("adam", {"lr": 0.01}))


def made(mode, entries=ENTRIES, **given):
    subject = make_subject({**SETTING, **given}, None, ())
    fleet = Fleet(subject.task, race_seed=3)
    lanes = [Lane(number, *registry.resolve(name, hypers), create("cosine"), 1) for number, (name, hypers) in enumerate(entries)]
    return subject, fleet, fleet.tile(lanes, mode, 20)


@pytest.mark.parametrize("rows", [None, 32])
def test_what_is_seen_is_what_a_plain_loop_has(rows):
    """Gradient, update, moments and rate of momentum, against autograd on the weights that the tile had."""
    subject, fleet, tile = made("stacked", batch_size=rows)
    reference = made("stacked", batch_size=rows)[2]
    reference.run(3)
    before = reference.parameters(1)
    spy = Spy(tile, fleet, subject)
    _, _, look = spy.watched(4)
    batch = next(iter(reference._batches(1)))
    objective = Objective(subject.task.build(0), subject.task)
    weights = {name: value.clone().requires_grad_() for name, value in before.items()}
    loss = torch.func.functional_call(objective, weights, (batch,))
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(weights.values()))]).double().norm()
    after = tile.parameters(1)
    update = torch.cat([(after[name] - before[name]).flatten() for name in before]).double().norm()
    inside = {name: column[1] for name, column in look.inside.items()}
    assert inside["gradient_norm"] == pytest.approx(float(gradient), rel=1e-5)
    assert inside["update_norm"] == pytest.approx(float(update), rel=1e-5)
    assert inside["effective_lr"] == pytest.approx(float(update / gradient), rel=1e-5)
    assert inside["lr"] == pytest.approx(0.1 * create("cosine")(3, horizon=20))
    # Momentum moves by the rate times its buffer.
    assert inside["m_norm"] == pytest.approx(float(update) / inside["lr"], rel=1e-4)
    model = subject.task.build(0)
    model.load_state_dict({name.removeprefix("model."): value for name, value in after.items()})
    np.testing.assert_allclose(look.predictions[1], model(subject.grid).detach()[:, 0].numpy(), rtol=1e-5, atol=1e-6)


def test_only_rules_that_have_moments_show_them():
    subject, fleet, tile = made("stacked")
    look = Spy(tile, fleet, subject).watched(2)[2]
    assert np.isnan(look.inside["m_norm"]).tolist() == [True, False, False]
    assert np.isnan(look.inside["v_norm"]).tolist() == [True, True, False]


def test_looking_changes_no_bit():
    subject, fleet, tile = made("stacked", batch_size=32)
    plain = made("stacked", batch_size=32)[2]
    spy = Spy(tile, fleet, subject)
    losses = [spy.watched(count)[0] for count in (1, 4, 2)]
    assert np.concatenate(losses).tobytes() == plain.run(7)[0].tobytes()


def test_a_model_that_cannot_be_stacked_is_looked_into_as_well():
    subject, fleet, tile = made("stacked", ENTRIES[2:])
    lone = made("loop", ENTRIES[2:])[2]
    own = make_subject({**SETTING, "task": "user"}, "line", ())
    together = Spy(tile, fleet, subject).watched(3)[2]
    alone = Spy(lone, fleet, type(own)(subject.task)).watched(3)[2]
    for name, column in together.inside.items():
        np.testing.assert_allclose(alone.inside[name], column, rtol=1e-4, err_msg=name)
    assert alone.predictions.shape == (1, 0)


def test_nothing_is_seen_before_a_look():
    look = nothing_seen(0, 2, 3)
    assert np.isnan(look.predictions).all()
    assert look.predictions.shape == (2, 3)
