"""Options as text."""

import pytest
import typer

from ravine.base.errors import InputError
from ravine.cli import _values


def test_numbers_are_read():
    assert _values.whole_number("-3") == -3
    assert _values.number("1e-2") == 0.01
    assert _values.workers("auto") == "auto"
    assert _values.workers("2") == 2


@pytest.mark.parametrize(
    ("read", "text"),
    [(_values.whole_number, "1.5"), (_values.whole_number, "x"), (_values.number, "x"), (_values.number, "nan"), (_values.number, "inf")],
)
def test_what_is_no_number_is_quoted(read, text):
    with pytest.raises(typer.BadParameter, match=f"'{text}' is not a"):
        read(text)


def test_rates_are_a_list_or_auto():
    assert _values.rates("auto") is None
    assert _values.rates("1e-3, 0.5,") == [1e-3, 0.5]
    assert _values.rates("-1") == [-1.0], "the plan says that it must be above 0"


@pytest.mark.parametrize(("read", "option", "text"), [(_values.rates, "--lrs", "1,x"), (_values.workers, "--workers", "many")])
def test_lists_that_cannot_be_read_name_the_option(read, option, text):
    with pytest.raises(InputError, match=f"^{option} {text}: must be auto"):
        read(text)
