"""Gradients back through time, held to theory and to torch's own layers."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from ravine.base._seeds import derive
from ravine.base.errors import InputError, UnknownNameError
from ravine.exhibits.through_time import CELLS, ROWS, Recurrence, _fill, through_time, time_study
from ravine.tasks._randomness import isolated

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@pytest.mark.parametrize("gain", [0.5, 0.9])
def test_a_tanh_network_vanishes_at_least_by_its_gain(gain):
    """Every step multiplies by an orthogonal matrix times the gain, and by tanh's slope, which is at most 1."""
    levels = through_time(Recurrence("rnn", gain), 40, width=16, seeds=3)
    assert (levels.backward_factor <= gain).all()
    assert (levels.signals[:, :-1] <= gain * levels.signals[:, 1:] * (1 + 1e-9)).all()


def test_a_large_gain_explodes_and_clipping_leaves_a_norm_of_one():
    levels = through_time(Recurrence("rnn", 4.0), 60, clip=1.0, width=32, seeds=2)
    assert (levels.norms > 1e6).all()
    assert (levels.backward_factor > 1.2).all()
    assert levels.shrink * levels.norms == pytest.approx(1.0)
    assert levels.clipped_parts.max() <= 1.0 + 1e-9
    assert levels.clipped_parts / levels.parts.clip(1e-300) == pytest.approx(np.tile(levels.shrink[:, None], 60), abs=1e-3)


def test_clipping_leaves_a_small_gradient_alone():
    levels = through_time(Recurrence("rnn", 0.5), 10, clip=1e6, width=8, seeds=1)
    assert levels.shrink.tolist() == [1.0]
    assert through_time(Recurrence("rnn", 0.5), 10, width=8, seeds=1).shrink.tolist() == [1.0]


def test_a_forget_gate_that_begins_open_carries_further():
    closed, opened = (through_time(Recurrence("lstm", forget_bias=bias), 40, width=16, seeds=2) for bias in (0.0, 2.0))
    assert (opened.signals[:, 0] > 100 * closed.signals[:, 0]).all()


@pytest.mark.parametrize("name", CELLS)
def test_it_equals_torch_s_layer(name):
    width, steps, seed = 6, 7, 11
    levels = through_time(Recurrence(name, 1.3), steps, width=width, seeds=1, seed=seed)
    with isolated(derive(seed, "time", 0)):
        cell = CELLS[name](width, width).double()
        _fill(cell, Recurrence(name, 1.3))
        inputs = torch.randn(steps, ROWS, width, dtype=torch.float64)
        target = torch.randn(ROWS, width, dtype=torch.float64)
    layer = LAYERS[name](width, width).double()
    layer.load_state_dict({f"{key}_l0": value for key, value in cell.state_dict().items()})
    states, _ = layer(inputs)
    (0.5 * (states[-1] - target).square().sum(1).mean()).backward()
    whole = torch.stack([parameter.grad.norm() for parameter in layer.parameters()]).norm()
    assert levels.norms[0] == pytest.approx(float(whole), rel=1e-9)


@pytest.mark.parametrize("name", CELLS)
def test_recurrent_blocks_are_multiples_of_orthogonal_matrices(name):
    with isolated(0):
        cell = CELLS[name](8, 8).double()
        _fill(cell, Recurrence(name, 1.5))
    for block in torch.split(cell.weight_hh.detach(), 8):
        assert torch.allclose(block @ block.mT, 2.25 * torch.eye(8, dtype=torch.float64))


def test_the_first_step_has_no_part_and_the_same_seed_the_same_numbers():
    one, other = (through_time(Recurrence(), 5, width=4, seeds=2, seed=3) for _ in range(2))
    assert (one.parts[:, 0] == 0).all()
    assert (one.signals == other.signals).all()
    assert (one.signals[0] != one.signals[1]).all()


def test_a_summary_is_plain():
    study = time_study([Recurrence("lstm", forget_bias=1.0)], 3, width=4, seeds=1)
    found = json.loads(json.dumps(study.summary(), allow_nan=False))
    assert (found["schema"], found["steps"], found["networks"][0]["label"]) == (1, 3, "lstm, gain 1, forget bias 1")
    assert found["networks"][0]["clip"] == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recurrence("rnn", 0), "gain=0: must be above 0"),
        (lambda: through_time(Recurrence(), 1), "steps=1: must be a whole number, at least 2"),
        (lambda: through_time(Recurrence(), 5, clip=0), "clip=0: must be above 0"),
    ],
    ids=["gain", "steps", "clip"],
)
def test_numbers_that_are_none(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_an_unknown_cell():
    with pytest.raises(UnknownNameError, match="no recurrent cell is called 'lsmt'; did you mean 'lstm'"):
        Recurrence("lsmt")
