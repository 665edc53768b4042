"""Failures as sentences."""

import pytest
import typer

from ravine.base.errors import DataError, PlanError, TaskError
from ravine.cli._failures import UsageError, explain, users_traceback
from ravine.tasks import load


def failure(folder, source, name=""):
    path = folder / "mine.py"
    path.write_text(source)
    with pytest.raises(TaskError) as caught:
        load(f"{path}{name}")
    return caught.value


def test_every_problem_of_a_plan_is_a_line():
    assert explain(PlanError(["one.", "two."])) == "ravine: one.\nravine: two."


def test_a_usage_error_without_a_command_is_a_sentence():
    assert explain(UsageError("Something is off")) == "ravine: something is off."


def test_bad_parameters_are_usage_errors():
    assert issubclass(typer.BadParameter, UsageError)
    assert not issubclass(ValueError, UsageError)


def test_a_file_that_raises_shows_its_own_lines_and_no_others(tmp_path):
    text = explain(failure(tmp_path, "def inner():\n    return 1 / 0\n\ninner()\n"))
    assert text.startswith("Traceback (most recent call last):\n  File ")
    assert text.count("File ") == 2
    assert all("mine.py" in line for line in text.splitlines() if line.startswith("  File"))
    assert "\nravine: " in text
    assert "ZeroDivisionError" in text.splitlines()[-1]


def test_a_syntax_error_shows_its_line(tmp_path):
    text = explain(failure(tmp_path, "def f(:\n"))
    assert "def f(:" in text
    assert "SyntaxError" in text


def test_a_task_that_is_made_wrongly_is_one_sentence_with_its_line(tmp_path):
    text = explain(failure(tmp_path, "import ravine\ntask = ravine.Task('x', 3)\n"))
    path = tmp_path / "mine.py"
    assert text == f"ravine: {path} at line 2 of {path}: task 'x': model is of type int: must be a function that returns a new module."


def test_what_stands_before_the_users_first_line_is_left_out():
    from torch import nn, zeros

    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        Broken()(zeros(1))
    error = TaskError("it raised")
    # As ravine sees it: the first frames are those of torch's __call__.
    error.__cause__ = caught.value.with_traceback(caught.value.__traceback__.tb_next)
    frames = [line for line in users_traceback(error).splitlines() if line.startswith("  File")]
    assert len(frames) == 1
    assert __file__ in frames[0]


def test_a_cause_that_is_not_the_users_shows_no_traceback():
    error = DataError("the archive is damaged.")
    error.__cause__ = OSError("gone")
    assert explain(error) == "ravine: the archive is damaged."
    assert explain(DataError("x.")) == "ravine: x."
