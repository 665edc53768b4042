import doctest

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError, UnknownNameError
from ravine.optim import creating
from ravine.optim.creating import NATIVE_STEPS, driver_for
from ravine.rules import REGISTRY


def leaf():
    return torch.nn.Parameter(torch.ones(2))


def test_examples():
    result = doctest.testmod(creating)
    assert result.attempted > 0
    assert result.failed == 0


def test_create_knows_every_registry_name():
    assert optim.names() == tuple(REGISTRY)
    for name in optim.names():
        optimizer = optim.create(name, [torch.nn.Parameter(torch.ones(2, 2))])
        assert optimizer.rule is REGISTRY[name].rule
        assert optimizer.defaults["lr"] == REGISTRY[name].defaults["lr"]


def test_presets_of_a_name_can_be_changed():
    assert optim.create("momentum", [leaf()]).defaults["momentum"] == 0.9
    assert optim.create("momentum", [leaf()], momentum=0.5).defaults["momentum"] == 0.5
    assert optim.create("nesterov", [leaf()]).defaults["nesterov"] is True
    assert optim.create("nesterov", [leaf()], nesterov=False).defaults["nesterov"] is False


def test_create_takes_torchs_names_and_the_rules_symbols():
    assert optim.create("adam", [leaf()], betas=(0.5, 0.6)).defaults["betas"] == (0.5, 0.6)
    assert optim.create("adam", [leaf()], beta2=0.6).defaults["betas"] == (0.9, 0.6)
    assert optim.create("adam", [leaf()], l2=0.1).defaults["weight_decay"] == 0.1
    assert optim.create("adam", [leaf()], amsgrad=True, driver="foreach", maximize=True).defaults["driver"] == "foreach"


def test_create_takes_keywords_of_the_class():
    assert optim.create("adamw", [leaf()], decoupled="schedule").defaults["schedule_decay"] is True
    assert optim.create("adamw", [leaf()], schedule_decay=True).defaults["schedule_decay"] is True
    assert optim.create("adamw", [leaf()], schedule_decay=False).defaults["schedule_decay"] is False
    assert optim.create("muon", [torch.nn.Parameter(torch.ones(2, 2))], adjust_lr_fn="match_rms_adamw").defaults["moonlight"] is True
    assert optim.create("adam", [leaf()], foreach=True).defaults["driver"] == "foreach"
    with pytest.raises(InputError, match="schedule_decay=True for 'adamw': must be True or False, and without decoupled"):
        optim.create("adamw", [leaf()], schedule_decay=True, decoupled="lr")
    with pytest.raises(UnknownNameError, match="no setting of 'adamw' is called 'optimizer'"):
        optim.create("adamw", [leaf()], optimizer="sgd")


def test_create_refuses_two_names_of_one_setting():
    with pytest.raises(InputError, match="l2 and weight_decay for 'adam': two names of one setting"):
        optim.create("adam", [leaf()], l2=0.1, weight_decay=0.1)
    with pytest.raises(InputError, match="beta1 and betas"):
        optim.create("adam", [leaf()], beta1=0.1, betas=(0.1, 0.9))


def test_create_offers_the_nearest_name():
    with pytest.raises(UnknownNameError, match="no optimizer is called 'addam'; did you mean 'adam'"):
        optim.create("addam", [leaf()])
    with pytest.raises(UnknownNameError, match="no setting of 'lion' is called 'beta'; did you mean"):
        optim.create("lion", [leaf()], beta=0.1)


@pytest.mark.parametrize("name", ["adamw", "adamw+clip", "lion"])
def test_the_driver_of_a_whole_training(name):
    assert [driver_for(name, steps) for steps in (1, NATIVE_STEPS - 1, NATIVE_STEPS)] == ["auto", "auto", "native"]


@pytest.mark.parametrize("name", ["muon", "lamb", "adafactor"])
def test_rules_of_whole_tensors_have_a_function_a_shape_which_is_built_too_long(name):
    assert driver_for(name, 10**6) == "auto"
