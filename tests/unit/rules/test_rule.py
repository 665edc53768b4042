import dataclasses

import pytest

from ravine.rules import REGISTRY, Citation, Flag, Hyper, Rule, Slot
from ravine.rules.adam import Adam
from ravine.rules.sgd import SGD


def test_flags_are_off_unless_given():
    assert not Adam().on("amsgrad")
    assert Adam(amsgrad=True).on("amsgrad")
    assert not Adam(amsgrad=False).on("amsgrad")


def test_an_unknown_flag_is_our_own_mistake():
    with pytest.raises(AssertionError, match="unknown flags"):
        Adam(nesterov=True)


def test_the_key_is_shared_by_equal_flags_only():
    assert Adam(amsgrad=True).key == Adam(amsgrad=True, coupled=False).key
    assert Adam(amsgrad=True).key != Adam().key
    assert Adam().key != SGD().key
    assert Adam(coupled=True, amsgrad=True).key == ("adam", ("amsgrad", "coupled"))


def test_slots_follow_flags():
    assert [slot.key for slot in Adam().active_slots] == ["exp_avg", "exp_avg_sq"]
    assert [slot.key for slot in Adam(amsgrad=True).active_slots] == ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
    assert SGD().active_slots == ()


def test_a_rule_without_equations_cannot_be_built():
    with pytest.raises(TypeError, match="abstract"):
        type("Empty", (Rule,), {"name": "empty"})()


def test_declarations_cannot_be_changed():
    for declared, attribute in ((Hyper("lr", 0.1, 0, 1, ""), "default"), (Slot("m", "x"), "key"), (Flag("f", ""), "default")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(declared, attribute, 1)


def test_group_key_is_the_symbol_unless_torch_calls_it_otherwise():
    assert Hyper("lr", 0.1, 0, 1, "").group_key == "lr"
    assert Hyper("l2", 0.1, 0, 1, "", key="weight_decay").group_key == "weight_decay"


def test_citation_reads_as_a_reference():
    assert str(Citation("A, B", 2020, "Title", "arXiv:1")) == "A, B (2020), Title, arXiv:1"
    assert str(Citation("A", 2020, "Title")) == "A (2020), Title"


@pytest.mark.parametrize("rule", dict.fromkeys(entry.rule for entry in REGISTRY.values()), ids=lambda rule: rule.name)
def test_declarations_of_every_rule_are_consistent(rule):
    symbols = [hyper.symbol for hyper in rule.hypers]
    assert len(set(symbols)) == len(symbols)
    assert all(hyper.low <= hyper.default <= hyper.high for hyper in rule.hypers)
    assert all(hyper.default < hyper.high for hyper in rule.hypers if hyper.open_above)
    assert all(flag.of in (*symbols, "t") for flag in rule.flags if flag.of)
    assert all(slot.when in [flag.name for flag in rule.flags] for slot in rule.slots if slot.when)
    assert all(slot.fill in symbols for slot in rule.slots if slot.fill)
    assert rule.needs <= {"curvature", "labels"}
