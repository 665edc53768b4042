import inspect

import pytest

from ravine.base import errors

EXPECTED = {
    "InputError": ValueError,
    "UnknownNameError": LookupError,
    "PlanError": ValueError,
    "TaskError": ValueError,
    "DataError": ValueError,
    "DataNotFoundError": FileNotFoundError,
    "RecordError": ValueError,
    "RecordVersionError": ValueError,
    "DivergedError": ArithmeticError,
    "MissingExtraError": ImportError,
}


def test_the_tree_is_complete_and_drawn_in_the_docstring():
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.RavineError)}
    assert defined == EXPECTED.keys() | {"RavineError"}
    assert all(name in errors.__doc__ for name in defined)


@pytest.mark.parametrize(("name", "built_in"), EXPECTED.items())
def test_every_error_is_also_a_built_in(name, built_in):
    error = getattr(errors, name)
    assert issubclass(error, errors.RavineError)
    assert issubclass(error, built_in)


def test_a_plan_error_reports_every_problem():
    error = errors.PlanError(["first.", "second."])
    assert error.problems == ("first.", "second.")
    assert str(error) == "first.\nsecond."


def test_errors_carry_their_values():
    assert errors.InputError("x", given=-1).given == -1
    unknown = errors.UnknownNameError("x", given="adm", nearest=["adam"])
    assert (unknown.given, unknown.nearest, str(unknown)) == ("adm", ("adam",), "x")
    version = errors.RecordVersionError("x", found=2, supported=1)
    assert (version.found, version.supported) == (2, 1)
    diverged = errors.DivergedError("x", step=3, loss=0.5)
    assert (diverged.step, diverged.loss) == (3, 0.5)
    assert errors.MissingExtraError("x", extra="ray").extra == "ray"
