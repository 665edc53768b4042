import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravine.base._checks import count, nearest, number, unknown_name
from ravine.base.errors import InputError, UnknownNameError

NAMES = ["sgd", "momentum", "adam", "adamw", "rmsprop"]


def test_the_nearest_name_comes_first():
    assert nearest("adm", NAMES)[0] == "adam"
    assert nearest("RMSProp", NAMES) == ("rmsprop",)
    assert nearest("mom", NAMES) == ("momentum",)
    assert nearest("zzzz", NAMES) == ()
    assert nearest(NotImplementedError, NAMES) == ()


def test_an_unknown_name_offers_the_nearest_or_all():
    close, far = unknown_name("optimizer", "adm", NAMES), unknown_name("optimizer", "zzzz", NAMES, do="See the list.")
    assert isinstance(close, UnknownNameError)
    assert "did you mean 'adam'" in str(close)
    assert str(far).startswith("no optimizer is called 'zzzz'; known: adam, adamw, momentum")
    assert str(far).endswith("See the list.")


def test_a_number_outside_its_interval_says_what_is_allowed():
    with pytest.raises(InputError, match=r"^lr=-0\.1 for 'adamw' \(lane 17\): must be above 0\. Leave it out\.$") as caught:
        number("lr", -0.1, above=0, where="'adamw' (lane 17)", do="Leave it out.")
    assert caught.value.given == -0.1
    with pytest.raises(InputError, match="must be above 0 and finite"):
        number("lr", math.inf, above=0, below=math.inf)
    with pytest.raises(InputError, match="must be at least 0 and below 1"):
        number("beta1", 1.0, at_least=0, below=1)
    with pytest.raises(InputError, match="must be a number, at most 3"):
        number("x", "many", at_most=3)
    with pytest.raises(InputError, match="must be a number"):
        number("x", math.nan)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_number_accepts_exactly_the_closed_interval(value, low, high):
    if low <= value <= high:
        assert number("x", value, at_least=low, at_most=high) == value
    else:
        with pytest.raises(InputError):
            number("x", value, at_least=low, at_most=high)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", None])
def test_a_count_is_a_whole_number_of_at_least_one(value):
    with pytest.raises(InputError, match="must be a whole number, at least 1"):
        count("seeds", value)


def test_a_count_may_have_an_upper_bound():
    assert count("seeds", 3, at_most=3) == 3
    with pytest.raises(InputError, match="at least 1 and at most 3"):
        count("seeds", 4, at_most=3)
