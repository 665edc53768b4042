"""A model's own memory: counted tensor by tensor, and measured by running a batch."""

import pytest
import torch
from torch import nn

from ravine import Task
from ravine.base.errors import InputError
from ravine.exhibits import measured
from ravine.exhibits.memory import PRECISIONS, Plan, memory_of
from ravine.tasks import create


def linear_task(width=64, rows=32, freeze=False):
    def build():
        model = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 1))
        model[3].requires_grad_(not freeze)
        return model

    pair = (torch.randn(rows, width), torch.randn(rows, 1))
    return Task("two-layers", build, pair, pair, nn.functional.mse_loss, batch_size=rows)


def test_a_model_is_counted_tensor_by_tensor():
    model = measured(linear_task(freeze=True))
    assert (model.trainable, model.frozen) == (64 * 64 + 3 * 64, 65)
    assert model.buffers == 2 * 64 * 4 + 8
    found = memory_of(model, Plan("adamw"))
    assert found.parts["parameters"] == 4 * (model.trainable + model.frozen)
    assert found.parts["gradients"] == 4 * model.trainable
    # A step count of four bytes for each of the four tensors.
    assert found.parts["state"] == 8 * model.trainable + 16
    assert (model.name, model.rows) == ("two-layers: Sequential", 32)


def test_activations_are_what_the_forward_saves():
    """Of two linear layers and a ReLU under a squared error: the layers' inputs beside the batch itself, and what the loss keeps."""
    pair = (torch.randn(32, 64), torch.randn(32, 1))
    task = Task("plain", lambda: nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)), pair, pair, nn.functional.mse_loss)
    whole, half = (measured(task, rows=rows).activations["fp32"] for rows in (32, 16))
    # The ReLU's output is the second layer's input; the output of that is what the loss needs.
    assert whole == 4 * 32 * (64 + 1)
    assert half == whole / 2


def test_autocast_saves_half_as_much_of_activations_and_its_copies_of_weights():
    task = create("digits")
    found = measured(task, PRECISIONS).activations
    assert found["bf16"] == found["fp16"] != found["fp32"]
    assert set(found) == set(PRECISIONS)
    assert all(value > 0 for value in found.values())
    model = measured(task, ("bf16",))
    parts = memory_of(model, Plan("sgd", "bf16")).parts
    assert "copies" not in parts, "they are among the activations, which are measured"
    assert parts["activations"] == model.activations["bf16"]


def test_measuring_changes_nothing():
    task = create("line")
    before = torch.get_rng_state()
    first, second = measured(task), measured(task)
    assert first == second
    assert torch.equal(before, torch.get_rng_state())


def test_more_rows_than_there_are():
    with pytest.raises(InputError, match="batch size=1000000: must be a whole number, at least 1 and at most"):
        measured(create("line"), rows=10**6)
