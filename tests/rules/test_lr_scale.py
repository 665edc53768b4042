"""`lr_scale` of a group, for every row: its rate is lr times it, whatever schedules lr."""

import pytest
import torch

from cases import CASES
from ravine.base.errors import InputError, UnknownNameError
from streams import give_gradients, parameters, same, train, values

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@every_case
def test_it_multiplies_the_rate(case):
    """Exactly: a quarter of a number is a number."""
    scaled, plain = parameters(), parameters()
    first = case.build([{"params": scaled, "lr_scale": 0.25}])
    second = case.build(plain, lr=case.full["lr"] * 0.25)
    for optimizer, params in ((first, scaled), (second, plain)):
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
        for step in range(4):
            give_gradients(params, step)
            optimizer.step()
            scheduler.step()
    assert same(values(scaled), values(plain))
    assert first.param_groups[0]["lr_scale"] == 0.25
    assert first.param_groups[0]["lr"] == case.full["lr"] * 0.5**4


def test_a_state_dict_keeps_it():
    case = CASES[0]
    saved = case.build([{"params": parameters(), "lr_scale": 0.5}]).state_dict()
    other = case.build(parameters())
    other.load_state_dict(saved)
    assert other.param_groups[0]["lr_scale"] == 0.5


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "half"])
def test_an_unusable_one_is_refused(value):
    with pytest.raises(InputError, match=r"lr_scale=.* for SGD, group 0"):
        CASES[0].build([{"params": parameters(), "lr_scale": value}])


def test_a_misspelt_one_is_refused():
    with pytest.raises(UnknownNameError, match=r"'lr_scal'; did you mean 'lr_scale'"):
        CASES[0].build([{"params": parameters(), "lr_scal": 0.5}])


def test_0_keeps_a_group_where_it_is():
    case = next(case for case in CASES if case.id == "adamw")
    params = parameters()
    train(case.build([{"params": params, "lr_scale": 0.0}]), params, 3)
    assert same(values(params), values(parameters()))
