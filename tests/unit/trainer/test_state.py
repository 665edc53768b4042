"""State: pieces of a batch, evaluation over unequal pieces, and what a checkpoint says."""

import pytest
import torch
from torch import nn

import ravine
from ravine.base.errors import InputError
from ravine.tasks import load
from ravine.trainer import Options, portions, resolve
from ravine.trainer.state import State, pieces


def made(task=None, **options):
    task = load("digits") if task is None else task
    return State(task, resolve(task, Options(**options)))


@pytest.mark.parametrize("number", [1, 2, 3, 7, 10])
def test_pieces_are_the_batch_cut_as_evenly_as_can_be(number):
    batch = torch.arange(10.0), {"y": torch.arange(20.0).view(10, 2)}
    found = list(pieces(batch, number))
    assert torch.equal(torch.cat([piece[0] for piece, _ in found]), batch[0])
    assert torch.equal(torch.cat([piece[1]["y"] for piece, _ in found]), batch[1]["y"])
    sizes = [len(piece[0]) for piece, _ in found]
    assert max(sizes) - min(sizes) <= 1
    assert [share for _, share in found] == [size / 10 for size in sizes]


def test_an_evaluation_over_pieces_is_the_whole_splits(monkeypatch):
    own = made()
    whole = own.evaluate(own.task.data.validation)
    monkeypatch.setattr(portions, "EVALUATION_ROWS", 100)
    assert own.evaluate(own.task.data.validation) == pytest.approx(whole, rel=1e-6)
    assert own.model.training, "training mode comes back"


def test_batches_are_those_of_a_race():
    from ravine.base._seeds import derive
    from ravine.fleet.data import BatchOrder

    own = made(seed=4)
    x, _ = own.task.data.train
    rows = BatchOrder(len(x), 64, derive(0, 4, "order")).take(20)
    for expected in rows:
        assert torch.equal(own.next_batch()[0], x[expected])


def test_a_model_that_evaluates_by_gradients_can_be_trained():
    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))

        def forward(self, x):
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.layer(x).sum(), x, create_graph=True)[0]

    pair = torch.rand(16, 1), torch.ones(16, 1)
    trained = ravine.train(ravine.Task("slope", Slope, pair, pair, nn.functional.mse_loss), steps=5)
    assert trained.metrics["validation"]["loss"] > 0


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    """Though model and settings are alike."""
    ravine.train("line", steps=2, out=tmp_path)
    assert ravine.train("line:noise=0", steps=2, out=tmp_path / "own").step == 2
    with pytest.raises(
        InputError, match=r"2\.safetensors is of other data: rows or targets are not those of 'line:noise=0\.0' now\. Train on"
    ):
        ravine.train("line:noise=0", steps=2, out=tmp_path, resume=True)


def test_a_header_says_what_it_is_of():
    header, tensors = made(ema=0.5, patience=2).save()
    assert header["task"] == "digits"
    assert header["notes"] == {}
    assert header["settings"]["ema"] == "0.5"
    assert {name.partition(".")[0] for name in tensors} == {"model", "average", "history"}
