"""Where hypers are looked for when they are tuned."""

import itertools

import pytest

from ravine.rules import REGISTRY, Hyper, get
from ravine.rules._search import Dimension, dimension


def of(name, symbol):
    entry = get(name)
    hyper = next(hyper for hyper in entry.rule.hypers if hyper.symbol == symbol)
    return dimension(hyper, entry.defaults[symbol])


@pytest.mark.parametrize("name", REGISTRY)
def test_every_declared_range_is_permitted_and_holds_the_default_where_it_is_on(name):
    entry = get(name)
    found = {hyper.symbol: dimension(hyper, entry.defaults[hyper.symbol]) for hyper in entry.rule.hypers}
    for hyper in entry.rule.hypers:
        one = found[hyper.symbol]
        if one is None:
            continue
        assert hyper.low <= one.low < one.high <= hyper.high
        assert not hyper.open_above or one.high < hyper.high
        assert one.default == 0.0 or one.low <= one.default <= one.high
    assert found["lr"] is None, "rates have grids of their own"


def test_shares_are_even_in_the_steps_that_they_average_over():
    beta1 = of("adam", "beta1")
    assert (beta1.low, beta1.high, beta1.at(0.0), beta1.at(1.0)) == (0.5, 0.98, 0.5, 0.98)
    assert beta1.at(0.5) == 0.9
    beta2 = of("adam", "beta2")
    assert (beta2.low, round(beta2.high, 6)) == (0.9, 0.999667)


def test_weight_decay_has_one_name_in_either_form():
    assert of("adam", "l2").name == of("adamw", "weight_decay").name == "weight_decay"
    assert (of("adam", "l2").low, of("adam", "l2").high) == (3.16e-6, 3.16e-3), "in the gradient, where it is off by default"
    assert (of("adamw", "weight_decay").low, of("adamw", "weight_decay").high) == (3.16e-4, 0.316)
    assert of("lion", "weight_decay").low == 3.16e-4, "decoupled, where it is off by default"


def test_what_is_not_declared_is_not_tuned():
    assert of("rmsprop", "alpha") is None
    assert of("ademamix", "alpha") is None
    assert of("shampoo", "beta2") is None, "1 sums its statistics: no share is kept"
    assert of("adafactor", "eps1") is None, "0 stands for the spacing of numbers"


@pytest.mark.parametrize("scale", ["log", "linear", "log of 1 - x"])
def test_values_have_three_digits_ascend_and_stay_inside(scale):
    one = Dimension("x", "x", 0.5, 0.0123456, 0.98765, scale)
    values = [one.at(share / 50) for share in range(51)]
    assert all(later >= earlier for earlier, later in itertools.pairwise(values))
    for value in values:
        shown = 1 - value if scale == "log of 1 - x" else value
        assert float(f"{shown:.3g}") == pytest.approx(shown, rel=1e-9)
    assert values[0] == pytest.approx(one.low, abs=1e-3)
    assert values[-1] == pytest.approx(one.high, abs=1e-3)


def test_a_range_does_not_leave_what_is_permitted():
    assert dimension(Hyper("eps", 1e-8, 1e-9, 1e-5, ""), 1e-8) == Dimension("eps", "eps", 1e-8, 1e-9, 1e-5, "log")


def test_powers_of_two_are_equally_likely():
    one = Dimension("batch_size", "", 20, 5, 80, "powers of 2")
    assert [one.at((k + 0.5) / 5) for k in range(5)] == [5, 10, 20, 40, 80]
    assert (one.at(0.0), one.at(0.999), one.at(1.0)) == (5, 80, 80)
