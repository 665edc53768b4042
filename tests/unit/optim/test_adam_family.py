import doctest

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError, UnknownNameError
from ravine.optim import adam_family


def leaf():
    return torch.nn.Parameter(torch.ones(2))


def test_examples():
    result = doctest.testmod(adam_family)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("cls", [adam_family.Adan, adam_family.AdEMAMix], ids=lambda cls: cls.__name__)
def test_three_betas_are_asked_for(cls):
    with pytest.raises(InputError, match=rf"betas=\(0.9, 0.99\) for {cls.__name__}: must be 3 numbers, such as \(0.9"):
        cls([leaf()], betas=(0.9, 0.99))
    with pytest.raises(InputError, match=r"beta3=1.0 .*must be at least 0 and below 1"):
        cls([leaf()], betas=(0.9, 0.99, 1.0))
    assert optim.create(cls.rule.name, [leaf()], beta3=0.5).defaults["betas"][2] == 0.5


def test_softadam_looks_ahead_under_its_registry_name():
    assert optim.create("softadam", [leaf()]).defaults["nesterov"] is True
    assert optim.SoftAdam([leaf()]).defaults["nesterov"] is False


def test_positions_are_the_authors():
    assert optim.ADOPT([leaf()], 1e-3, (0.8, 0.9), 1e-5, 0.1, True).defaults["decoupled"] is True
    assert optim.Adan([leaf()], 1e-3, (0.8, 0.9, 0.95), 1e-5, 0.1, True).defaults["no_prox"] is True
    assert optim.AdaBelief([leaf()], 1e-3, (0.8, 0.9), 1e-5, 0.1).defaults["weight_decay"] == 0.1


def test_a_misspelt_setting_is_refused():
    with pytest.raises(UnknownNameError, match="no setting of AdEMAMix is called 't_beta'; did you mean 't_beta3'"):
        optim.AdEMAMix([leaf()], t_beta=10)
