"""Names of the schedules, and schedules made by name."""

import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.schedules import FEEDBACK, KINDS, REGISTRY, create, names, settings_of


def test_names():
    assert names() == tuple(REGISTRY) == tuple(kind.name for kind in KINDS)
    assert all(create(name).name == name for name in names())


def test_an_unknown_schedule_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="no schedule is called 'cosin'; did you mean 'cosine'") as caught:
        create("cosin")
    assert caught.value.nearest[0] == "cosine"


def test_an_unknown_setting_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="no setting of 'cosine' is called 'flor'; did you mean 'floor'"):
        create("cosine", flor=0.1)
    with pytest.raises(UnknownNameError, match="'floor'"):
        create("constant", floor=0.1)
    with pytest.raises(UnknownNameError, match="'warmup_length'"):
        create("linear", warmup_length=3)


def test_every_schedule_can_be_made_without_settings_and_says_its_formula():
    for kind in KINDS:
        assert 0 < kind()(0, horizon=100) <= 1
        assert kind.formula


def test_settings_are_own_ones_first():
    assert list(settings_of(REGISTRY["wsd"]).items()) == [
        ("floor", 0.0),
        ("decay", 0.2),
        ("fall", "linear"),
        ("warmup", 0),
        ("warmup_kind", "linear"),
        ("warmup_start", None),
    ]


def test_what_looks_at_a_metric_is_no_function_of_the_step():
    assert list(FEEDBACK) == ["plateau"]
    with pytest.raises(InputError, match=r"'plateau' looks at a metric.*must be one of constant, .*ravine\.schedules\.Plateau"):
        create("plateau")
