import itertools
import math

import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.rules import REGISTRY, get, names, resolve
from ravine.rules._rule import Hyper
from ravine.rules.registry import check, with_flags
from ravine.rules.sgd import SGD


def test_names_begin_with_the_eight_simplest():
    assert names()[:8] == ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion")


def test_the_registry_cannot_be_changed():
    with pytest.raises(TypeError):
        REGISTRY["mine"] = REGISTRY["sgd"]


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no optimizer is called 'addamw'; did you mean 'adamw'") as caught:
        get("addamw")
    assert caught.value.given == "addamw"
    assert set(caught.value.nearest) >= {"adam", "adamw"}


def test_an_unknown_setting_offers_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no setting of 'adam' is called 'beta3'; did you mean 'beta"):
        resolve("adam", {"beta3": 0.9})


def test_a_derived_flag_is_no_setting():
    with pytest.raises(UnknownNameError, match="coupled"):
        resolve("adam", {"coupled": True})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("adam", {"lr": -0.1}, r"lr=-0.1 for 'adam': must be at least 0"),
        ("adam", {"lr": math.inf}, r"lr=inf for 'adam': must be .*finite"),
        ("adam", {"lr": math.nan}, r"lr=nan for 'adam'"),
        ("adam", {"lr": "fast"}, r"lr='fast' for 'adam': must be a number"),
        ("adam", {"beta2": 1.0}, r"beta2=1.0 for 'adam': must be at least 0 and below 1. Leave it out to use the default."),
        ("adam", {"l2": -1}, r"weight_decay=-1 for 'adam'"),
        ("momentum", {"dampening": math.inf}, r"dampening=inf for 'momentum'"),
        ("sgd", {"nesterov": True}, r"nesterov=True with momentum=0, dampening=0: Nesterov needs momentum above 0"),
        ("adam", {"corrected_maximum": True}, r"corrected_maximum=True with amsgrad=False: .* Set amsgrad=True as well"),
        ("nesterov", {"dampening": 0.5}, r"nesterov=True with momentum=0.9, dampening=0.5"),
    ],
)
def test_values_outside_their_interval_are_refused(name, settings, message):
    with pytest.raises(InputError, match=message):
        resolve(name, settings)


def test_a_closed_upper_bound_is_permitted_and_nothing_above():
    hyper = Hyper("share", 0.5, 0.0, 1.0, "")
    assert check(hyper, 1.0, where="x") == 1.0
    with pytest.raises(InputError, match=r"share=1.5 for x: must be at least 0 and at most 1"):
        check(hyper, 1.5, where="x")


def test_presets_and_settings_combine():
    rule, hypers = resolve("nesterov", {"lr": 1, "l2": 0.1})
    assert rule.key == ("sgd", ("buffered", "decays", "nesterov"))
    assert hypers == {"lr": 1.0, "momentum": 0.9, "dampening": 0.0, "l2": 0.1}
    assert resolve("nesterov", {"nesterov": False})[0].key == ("sgd", ("buffered",))
    assert resolve("momentum", {"momentum": 0.0})[0].key == ("sgd", ())


def test_flags_follow_hypers():
    hypers = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "l2": 0.0}
    assert with_flags(SGD, hypers, {}).key == ("sgd", ())
    assert with_flags(SGD, hypers | {"l2": 0.1}, {}).key == ("sgd", ("decays",))


@pytest.mark.parametrize("name", names())
def test_every_entry_resolves_and_says_what_it_is(name):
    entry = get(name)
    rule, hypers = resolve(name, {})
    assert isinstance(rule, entry.rule)
    assert hypers == entry.defaults
    assert entry.name == name
    assert entry.summary


@pytest.mark.parametrize("name", names())
def test_grids_are_half_decades_around_the_search_rate(name):
    entry = get(name)
    grid = entry.grid()
    assert len(grid) == 12
    assert len(entry.grid(5)) == 5
    assert grid[6] == pytest.approx(entry.search_lr)
    assert [math.log10(b / a) for a, b in itertools.pairwise(grid)] == pytest.approx([0.5] * 11)
