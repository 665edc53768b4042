"""Settings from an address: kinds, limits, sentences, and the way back to a command line."""

import shlex
from dataclasses import dataclass

import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.lab.reading_settings import LONGEST, Settings, command_line, limited, listed, option, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Settings):
    words = ("example",)

    many: tuple[str, ...] = ()
    numbers: tuple[float, ...] = limited((), above=0)
    steps: int = limited(10, at_most=100)
    rate: float = limited(0.5, option="--lr")
    is_on: bool = False
    note: str = ""


def test_texts_become_what_the_settings_are():
    given = {"many": "a, b,", "numbers": "1e-3,2", "steps": "20", "rate": "-1", "is_on": "1", "note": "x=1"}
    assert Example.read(given) == Example(many=("a", "b"), numbers=(1e-3, 2.0), steps=20, rate=-1.0, is_on=True, note="x=1")
    assert Example.read({}) == Example()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("steps", "many", "steps='many': must be a whole number, at least 1 and at most 100"),
        ("steps", "101", "at most 100"),
        ("steps", "1.5", "whole number"),
        ("rate", "inf", "rate='inf': must be above -inf and finite"),
        ("rate", "nan", "rate='nan'"),
        ("numbers", "1,0", "numbers='0': must be above 0"),
        ("is_on", "yes", "must be 1 or 0"),
        ("note", "x" * (LONGEST + 1), "2,001 characters: at most 2,000"),
    ],
)
def test_what_is_not_allowed_is_said(name, text, says):
    with pytest.raises(InputError, match=says):
        Example.read({name: text})


def test_an_unknown_setting_is_offered_the_nearest():
    with pytest.raises(UnknownNameError, match="no setting is called 'step'; did you mean 'steps'"):
        Example.read({"step": "3"})


def test_only_what_differs_stands_in_the_command():
    assert Example().commands() == ["ravine example --json"]
    made = Example(many=("a", "b"), rate=-0.25, is_on=True, note="x y")
    assert shlex.split(made.commands()[0]) == ["ravine", "example", "--many", "a,b", "--lr=-0.25", "--is-on", "--note", "x y", "--json"]


def test_values_are_written_so_that_they_are_read_again():
    assert text_of((1e-05, 2.0, 0.1)) == "1e-05,2,0.1"
    assert [float(text_of(value)) for value in (1 / 3, 124e6, 1e300)] == [1 / 3, 124e6, 1e300]
    assert list(option("--no", False)) == []
    assert command_line(["x**2"]) == "ravine 'x**2'"


def test_a_list_that_does_not_fit_is_refused():
    listed("names", ("a",), 1)
    with pytest.raises(InputError, match="names has 2 entries: at most 1 fit"):
        listed("names", ("a", "b"), 1)


def test_settings_without_a_script_say_so():
    with pytest.raises(NotImplementedError):
        Example().python()
