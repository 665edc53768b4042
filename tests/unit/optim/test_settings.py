import pytest
import torch

from ravine.base.errors import InputError, UnknownNameError
from ravine.optim import _settings
from ravine.rules.adam import Adam
from ravine.rules.sgd import SGD

GROUP = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False}
GROUP |= {"corrected_maximum": False, "maximize": False, "driver": "auto"}


def test_defaults_gather_pairs():
    assert _settings.defaults(Adam, {"beta2": 0.95, "lr": 1.0}) == {"lr": 1.0, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.0}


def test_reading_gives_floats_by_symbol():
    group = GROUP | {"lr": torch.tensor([0.5]), "betas": [0, torch.tensor(0.25)]}
    hypers = _settings.read(Adam, group)
    assert hypers == {"lr": 0.5, "beta1": 0.0, "beta2": 0.25, "eps": 1e-8, "l2": 0.0}
    assert all(type(value) is float for value in hypers.values())


def test_flags_follow_the_group():
    group = GROUP | {"weight_decay": 0.1, "amsgrad": True}
    assert _settings.rule_of(Adam, group, _settings.read(Adam, group)).key == ("adam", ("amsgrad", "coupled"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1.0}, "lr=-1.0 for here: must be at least 0"),
        ({"lr": torch.ones(2)}, r"lr for here is a tensor of shape \(2,\): must be a number or a tensor with one element"),
        ({"lr": None}, "lr=None for here: must be a number"),
        ({"betas": 0.9}, r"betas=0.9 for here: must be a pair of numbers"),
        ({"betas": (0.9, 0.9, 0.9)}, r"must be a pair of numbers"),
        ({"betas": (0.9, 1.0)}, "beta2=1.0 for here: must be at least 0 and below 1"),
        ({"amsgrad": "no"}, "amsgrad='no' for here: must be True or False"),
        ({"maximize": 1}, "maximize=1 for here: must be True or False"),
        ({"driver": "foreich"}, "no driver is called 'foreich'; did you mean 'foreach'"),
    ],
)
def test_unusable_groups_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        _settings.check_group(Adam, GROUP | change, where="here")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        *(("weight_decays", "weight_decay"), ("weight_decy", "weight_decay"), ("wieght_decay", "weight_decay"), ("beta", "betas")),
        *(("maximise", "maximize"), ("ep", "eps"), ("amsgard", "amsgrad"), ("drivr", "driver")),
    ],
)
def test_a_slip_of_the_finger_is_refused_with_the_name_that_was_meant(key, meant):
    with pytest.raises(UnknownNameError, match=f"no setting of here is called '{key}'; did you mean .*'{meant}'"):
        _settings.refuse_misspelt(Adam, GROUP | {key: 0.1}, where="here")


@pytest.mark.parametrize("rule", [Adam, SGD])
def test_keys_of_the_user_and_of_schedulers_are_left_alone(rule):
    theirs = ("initial_lr", "max_lr", "min_lr", "base_lr", "max_momentum", "base_momentum", "swa_lr", "params", "param_names")
    users = ("lr_scale", "lr_mult", "weight_decay_mult", "layer", "name", "group_name", "wd_mult", "tag", "lora")
    _settings.refuse_misspelt(rule, (*GROUP, *theirs, *users) if rule is Adam else (*theirs, *users), where="here")


def test_nesterov_needs_momentum():
    group = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": True, "decoupled": False}
    group |= {"maximize": False, "driver": "auto"}
    with pytest.raises(InputError, match="Nesterov needs momentum"):
        _settings.check_group(SGD, group, where="here")


def test_foreach_is_torchs_word_for_the_driver():
    assert _settings.choose_driver("auto", foreach=None) == "auto"
    assert _settings.choose_driver("auto", foreach=True) == "foreach"
    assert _settings.choose_driver("auto", foreach=False) == "per_tensor"
    assert _settings.choose_driver("compiled", fused=False) == "compiled"
    with pytest.raises(InputError, match="Give only driver"):
        _settings.choose_driver("compiled", foreach=False)
    assert _settings.choose_driver("auto", fused=True) == "native"
    assert _settings.choose_driver("auto", capturable=True, foreach=False) == "capturable"
    with pytest.raises(InputError, match="driver='compiled' and fused=True"):
        _settings.choose_driver("compiled", fused=True)
    with pytest.raises(InputError, match="fused=True and foreach=True"):
        _settings.choose_driver("auto", foreach=True, fused=True)


def test_what_cannot_be_honoured_is_refused():
    with pytest.raises(InputError, match="differentiable=True: ravine has no such form of the step"):
        _settings.choose_driver("auto", differentiable=True)


def test_unknown_settings_offer_the_nearest():
    _settings.refuse_unknown("x", ["lr"], ["lr", "eps"])
    with pytest.raises(UnknownNameError, match="no setting of x is called 'epz'; did you mean 'eps'"):
        _settings.refuse_unknown("x", ["lr", "epz"], ["lr", "eps"])
