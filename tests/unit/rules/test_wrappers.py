import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.rules import REGISTRY, WRAPPERS, get, resolve
from ravine.rules._wrappers import wrapped
from ravine.rules.sgd import SGD


def test_wrappers_stand_around_a_rule_in_the_order_of_their_names():
    entry = get("momentum+clip+lookahead")
    assert (entry.name, entry.rule.name) == ("momentum+clip+lookahead", "sgd+clip+lookahead")
    assert entry.rule.layers == (WRAPPERS["clip"], WRAPPERS["lookahead"])
    assert entry.search_lr == get("momentum").search_lr
    rule, hypers = resolve("momentum+clip+lookahead", {"clip_bound": 0.5})
    assert rule.on("buffered")
    assert (hypers["momentum"], hypers["clip_bound"], hypers["lookahead_k"]) == (0.9, 0.5, 5.0)
    assert get("momentum+clip+lookahead").rule is entry.rule


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("name", REGISTRY)
def test_a_wrapper_stands_around_a_rule_or_says_why_not(name, wrapper):
    if WRAPPERS[wrapper].refusal(get(name).rule):
        with pytest.raises(InputError, match="cannot stand around"):
            get(f"{name}+{wrapper}")
        return
    rule, _ = resolve(f"{name}+{wrapper}", {})
    assert rule.name.endswith(f"+{wrapper}")
    assert len({hyper.symbol for hyper in rule.hypers}) == len(rule.hypers)
    assert len({slot.key for slot in rule.slots}) == len(rule.slots)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adamw+lookahed", r"no wrapper \(in 'adamw\+lookahed'\) is called 'lookahed'; did you mean 'lookahead'"),
        ("adamv+clip", r"no optimizer is called 'adamv'; did you mean"),
        ("adamw+", r"no wrapper .* is called ''"),
    ],
)
def test_unknown_parts_of_a_name_offer_the_nearest(name, message):
    with pytest.raises(UnknownNameError, match=message):
        get(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adamw+clip+clip", "names 'clip' twice"),
        ("adamw+clip+clip_history", "'clip_history' cannot stand around 'adamw.clip'.*measures the whole gradient before"),
        ("sgd+ema+lookahead", "'lookahead' cannot stand around 'sgd.ema'.*averages weights of its own"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        get(name)


def test_one_wrapper_at_a_time():
    assert wrapped(SGD, "ema", within="x").name == "sgd+ema"
