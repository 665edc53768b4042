"""Muon against `torch.optim.Muon`, which takes matrices only and multiplies in bfloat16."""

import copy

import pytest
import torch

from oracles import MUON_SETTINGS, MUON_SHAPES, TOLERANCE, arrays, muon_from_torch, share, torchs_muon
from ravine import optim
from streams import give_gradients, parameters, values


@pytest.mark.parametrize("settings", MUON_SETTINGS)
def test_equals_torch_in_float64(settings):
    assert muon_from_torch(settings) <= TOLERANCE
    assert torch.ones(1).bfloat16().dtype == torch.bfloat16


def test_bfloat16_stays_within_its_rounding_of_torchs_muon():
    ours, theirs = parameters(MUON_SHAPES), parameters(MUON_SHAPES)
    for params, optimizer in ((ours, optim.Muon(ours, half_precision=True)), (theirs, torch.optim.Muon(theirs))):
        for step in range(10):
            give_gradients(params, step)
            optimizer.step()
    moved = max((a - b).abs().max().item() for a, b in zip(values(theirs), values(parameters(MUON_SHAPES)), strict=True))
    assert share(arrays(ours), arrays(theirs)) < 0.05 * moved


def test_state_dicts_exchange_with_torch():
    settings = {"lr": 0.05, "adjust_lr_fn": "match_rms_adamw", "half_precision": True}
    for first, second in ((optim.Muon, torchs_muon), (torchs_muon, optim.Muon)):
        params, others = parameters(MUON_SHAPES), parameters(MUON_SHAPES, seed=1)
        one, two = (
            kind(targets, settings) if kind is torchs_muon else kind(targets, **settings)
            for kind, targets in ((first, params), (second, others))
        )
        for step in range(4):
            give_gradients(params, step)
            one.step()
        two.load_state_dict(copy.deepcopy(one.state_dict()))
        with torch.no_grad():
            for param, weight in zip(others, values(params), strict=True):
                param.copy_(weight)
        for step in range(4, 8):
            for targets, optimizer in ((params, one), (others, two)):
                give_gradients(targets, step)
                optimizer.step()
        assert share(arrays(params), arrays(others)) < 0.01
        group = (one if first is optim.Muon else two).param_groups[0]
        assert group["moonlight"] is True
