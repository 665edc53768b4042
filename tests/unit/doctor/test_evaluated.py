"""An average that is evaluated with statistics of its own, of the trained model, or of long ago."""

import copy
import math

import pytest
import torch
from torch import nn

from ravine.doctor.evaluated import evaluated, followed, stale, started


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def seen(refresh, *, evaluations=4, frozen=False):
    """What is seen of an average whose statistics are refreshed in some way before each evaluation."""
    torch.manual_seed(0)
    model = network()
    average, found = copy.deepcopy(model), []
    for _ in range(evaluations):
        model.train(not frozen)
        model(torch.randn(8, 3))
        with torch.no_grad():
            for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
                mean.add_(0.1 * parameter)
        refresh(average, model)
        found.append(evaluated(average, model))
    return found


def copied(average, model):
    for kept, buffer in zip(average.buffers(), model.buffers(), strict=True):
        kept.copy_(buffer)


def counted_anew(average, model):
    average.train()
    average(torch.randn(8, 3))


def left(average, model):
    pass


@pytest.mark.parametrize(("refresh", "expected"), [(left, 4), (copied, 0), (counted_anew, 0)])
def test_statistics_that_stay_while_weights_move_are_stale(refresh, expected):
    assert stale(seen(refresh)) == expected


def test_nothing_is_said_where_the_trained_model_keeps_its_own():
    assert stale(seen(left, frozen=True)) == 0


def test_nor_after_few_evaluations_nor_without_such_layers():
    assert stale(seen(left, evaluations=2)) == 0
    assert stale([]) == 0
    plain = nn.Linear(2, 2)
    found = []
    for _ in range(4):
        plain.weight.data.add_(1.0)
        found.append(evaluated(plain, network()))
    assert stale(found) == 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_an_average_goes_a_share_of_the_way(share):
    trained = nn.Linear(3, 3)
    average = copy.deepcopy(trained)
    begin, found = started(average, trained), []
    for _ in range(4):
        with torch.no_grad():
            for mean, parameter in zip(average.parameters(), trained.parameters(), strict=True):
                parameter.add_(1.0)
                mean.add_(share)
        found.append(evaluated(average, trained, begin))
    assert followed(found) == pytest.approx(share, abs=1e-6)
    assert math.isnan(followed(found[:3]))
    assert [one.dtype for one in found] == [""] * 4


def test_a_narrow_average_says_so_and_a_stranger_is_not_followed():
    trained = nn.Linear(3, 3)
    narrow = copy.deepcopy(trained).to(torch.bfloat16)
    assert evaluated(narrow, trained).dtype == "bfloat16"
    assert started(nn.Linear(2, 3), trained) is None
    assert math.isnan(evaluated(nn.Linear(2, 3), trained, started(narrow, trained)).went)
