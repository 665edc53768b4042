"""Estimates of the curvature, as a race makes them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ravine
from ravine.base.errors import InputError, TaskError
from ravine.records import open_record
from ravine.trainer.curvature import takes_curvature


def small(model=None, loss=F.cross_entropy, **settings):
    x = torch.randn(48, 6, generator=torch.Generator().manual_seed(0))
    pair = (x, x[:, :3].argmax(1)) if loss is F.cross_entropy else (x, x[:, :3])
    return ravine.Task("small", model or (lambda: nn.Linear(6, 3)), pair, pair, loss, batch_size=16, **settings)


def dropped():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sophia_g", "sophia_h"])
def test_a_training_is_the_lane_that_was_raced(name, tmp_path):
    """Past the second estimate, with dropout and statistics."""
    task = small(dropped)
    result = ravine.race(task, optimizers=[name], steps=14, seeds=2, lrs=[0.01], out=tmp_path / "race.ravine")
    recipe = result.recipe()
    with open_record(result.path) as record:
        [lane] = [lane for lane in record.lanes() if lane.stage == "final" and lane.seed == recipe.seed]
        raced = record.losses(lane.lane).tolist()
    assert list(ravine.train(task, recipe).history.loss) == pytest.approx(raced, rel=2e-5)


def test_pieces_have_the_estimate_of_the_whole():
    """Hessian products are linear in the loss, and their signs depend on the step alone."""

    def linear():
        return nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)).double()

    x, y = small().data.train
    own = ravine.Task("f64", linear, (x.double(), y), (x.double(), y), F.cross_entropy, batch_size=16)
    whole, parts = (ravine.train(own, steps=12, optimizer="sophia_h", lr=0.01, accumulate=number) for number in (1, 3))
    assert list(parts.history.loss) == pytest.approx(list(whole.history.loss), rel=1e-10)


def test_an_estimate_changes_the_training():
    """Without one the step would be along the sign of the momentum."""
    options = {"steps": 3, "lr": 0.01, "schedule": "constant", "warmup": 0, "clip": 0}
    usual, blunt = (
        ravine.train(small(), optimizer="sophia_h", hypers={"rho": rho, "weight_decay": 0.0}, **options).model.weight for rho in (10.0, 0.0)
    )
    first = small().build(0).weight
    assert usual.shape == first.shape
    assert not torch.equal(usual, blunt)


def test_what_takes_estimates():
    parameters = [nn.Parameter(torch.ones(2))]
    assert takes_curvature(ravine.optim.SophiaG(parameters))
    assert not takes_curvature(ravine.optim.AdamW(parameters))


def test_what_cannot_be_estimated_is_said():
    with pytest.raises(TaskError, match=r"sophia_g draws labels from the model's output, .* Use sophia_h instead"):
        ravine.train(small(loss=F.mse_loss), steps=2, optimizer="sophia_g")
    with pytest.raises(
        InputError, match=r"'sophia_h' takes estimates of the curvature, which one loss scale cannot serve. Use precision='bf16'"
    ):
        ravine.train(small(), steps=2, optimizer="sophia_h", precision="fp16")
    with pytest.raises(InputError, match=r"'sophia_h\+clip' needs curvature, which only the class of 'sophia_h' itself takes"):
        ravine.train(small(), steps=2, optimizer="sophia_h+clip")
