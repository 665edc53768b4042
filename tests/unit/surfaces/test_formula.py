"""Formulas: read by a list of what is allowed, never evaluated; what is not on the list is one sentence."""

import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ravine.base.errors import InputError
from ravine.surfaces.formula import FUNCTIONS, LONGEST, Formula

NUMPY = {name: getattr(np, name) for name in ("abs", "cos", "cosh", "exp", "log", "sin", "sinh", "sqrt", "tan", "tanh")}
TWO = {"max": np.maximum, "min": np.minimum}


def value(text, x=1.5, y=-0.5):
    return Formula(text)(*(torch.tensor(one, dtype=torch.float64) for one in (x, y))).item()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x**2 + 3*y**2", 3.0),
        ("x^2 + 3*y^2", 3.0),
        ("-x - -y", -2.0),
        ("3 - x*y", 3.75),
        ("2**x", 2**1.5),
        ("x/4", 0.375),
        ("+x", 1.5),
        ("pi*x + e", 1.5 * math.pi + math.e),
        ("max(x, 0) + min(y, 0)", 1.0),
        ("abs(y) + sin(pi*x)", -0.5),
        ("sigmoid(0*x) + erf(0*y)", 0.5),
    ],
)
def test_a_formula_is_what_it_says(text, wanted):
    assert value(text) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "x.real",
        "x.__class__",
        "__import__('os')",
        "(x).data",
        "x[0]",
        "lambda: x",
        "x if y else 1",
        "[x for y in x]",
        "x and y",
        "x < y",
        "z + x",
        "1j*x",
        "'a'*x",
        "True*x",
        "None",
        "f'{x}'",
        "x @ y",
        "x // y",
        "x % y",
        "~x",
        "not x",
        "foo(x)",
        "sin(x=y)",
        "sin(*x)",
        "sin(x)(y)",
        "(x := y)",
        "...",
        "x; y",
        "x**2 +",
        "",
        "   ",
        "x\0",
        "(" * 300 + "x" + ")" * 300,
        "x" * (LONGEST + 1),
    ],
)
def test_everything_else_is_refused_in_one_sentence(text):
    with pytest.raises(InputError) as raised:
        Formula(text)
    assert str(raised.value).count("\n") == 0
    assert "llowed" in str(raised.value) or "most" in str(raised.value)


def test_an_unknown_name_lists_what_is_allowed():
    with pytest.raises(InputError, match=r"'z' in the formula 'x \+ z' is not known. Allowed are numbers, x, y, pi, e, .*sin\(\)"):
        Formula("x + z")


@pytest.mark.parametrize(("text", "words"), [("sin(x, y)", "2 arguments: must have 1"), ("max(x)", "1 argument: must have 2")])
def test_a_wrong_number_of_arguments(text, words):
    with pytest.raises(InputError, match=words):
        Formula(text)


@pytest.mark.parametrize("text", ["3", "2**10 + sin(1)", "pi"])
def test_a_constant_is_no_surface(text):
    with pytest.raises(InputError, match="neither x nor y"):
        Formula(text)


@pytest.mark.parametrize("text", ["x + 9**9**9**9", "10**400*x", "x**999999999", "(-8)**(1/3)*x", "x/0", f"{'9' * 400}*x"])
def test_huge_powers_and_undefined_numbers_take_no_time(text):
    assert not math.isfinite(value(text))


def test_many_places_at_once_equal_each_alone():
    formula, places = Formula("(1 - x)**2 + 100*(y - x**2)**2"), torch.randn(7, 2, dtype=torch.float64)
    assert torch.equal(formula(*places.T), torch.stack([formula(x, y) for x, y in places]))


def test_a_formula_survives_pickling():
    again = pickle.loads(pickle.dumps(Formula("x*y")))
    assert again == Formula("x*y")
    assert again(torch.tensor(2.0), torch.tensor(3.0)) == 6.0


numbers = st.floats(0.1, 3.0).map(lambda number: round(number, 3))
leaves = st.one_of(numbers.map(repr), st.sampled_from(["x", "y", "pi", "e"]))


def combined(inner):
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(inner, st.integers(0, 3)).map(lambda parts: f"({parts[0]})**{parts[1]}"),
        inner.map(lambda term: f"(-{term})"),
        st.tuples(st.sampled_from(sorted(NUMPY)), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(st.sampled_from(sorted(TWO)), inner, inner).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"),
    )


@given(st.recursive(leaves, combined, max_leaves=6), st.floats(-2, 2), st.floats(-2, 2))
def test_formulas_equal_numpy(text, x, y):
    text = f"{text} + 0*x"
    with np.errstate(all="ignore"):
        known = {"x": np.float64(x), "y": np.float64(y), "pi": np.float64(np.pi), "e": np.float64(np.e)}
        try:
            wanted = float(eval(text, {"__builtins__": {}}, known | NUMPY | TWO))
        except (ZeroDivisionError, OverflowError, TypeError):
            return
    found = value(text, x, y)
    both_wild = not math.isfinite(found) and not math.isfinite(wanted)
    assert both_wild or found == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@given(st.text(max_size=30))
def test_any_text_is_a_formula_or_one_refusal(text):
    try:
        formula = Formula(text)
    except InputError:
        return
    assert isinstance(formula(torch.tensor(1.0), torch.tensor(2.0)), torch.Tensor)


def test_what_may_be_called_is_frozen():
    assert sorted(FUNCTIONS) == sorted({*NUMPY, *TWO, "atan", "erf", "sigmoid"})
