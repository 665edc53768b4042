import numpy as np
import pytest
import torch

from ravine.base.errors import InputError
from ravine.lab.curves import Axis, formula_task, formula_values, make_subject, torch_text
from ravine.lab.settings import PRESET

SETTING = {**PRESET, "width": 4}


def subject(target=None, **given):
    options = {} if target is None else {"task_options": {"target": target}}
    return make_subject({**SETTING, **options, **given}, None, ())


@pytest.mark.parametrize("target", ["two-bumps", "sawtooth", "sine", "step", "noisy-line"])
def test_every_curve_can_be_trained_on_and_drawn(target):
    found = subject(target)
    assert found.task.name == f"curve:{target}"
    assert found.grid.shape == (161, 1)
    assert found.curve.shape == (161,)
    train = found.task.data.train
    assert [part.shape for part in train] == [(128, 1), (128, 1)]
    assert found.task.build(0)(train[0]).shape == (128, 1)


def test_built_in_curves_are_the_command_lines():
    assert subject("sine").task.reference == "curve:sine,width=4" or subject("sine").task.reference == "curve:width=4"
    assert subject("sine", batch_size=16).task.rows_per_step == 16
    assert subject("sine", batch_size=16).task.reference == subject("sine").task.reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sin(pi*x)", lambda x: torch.sin(torch.pi * x)),
        ("x^2 + e", lambda x: x**2 + np.e),
        ("max(x, 0)", lambda x: x.clamp(min=0)),
        ("0*x + 3", lambda x: torch.full_like(x, 3)),
    ],
)
def test_a_formula_and_its_line_of_torch_are_one_function(text, expected):
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    torch.testing.assert_close(formula_values(text)(x), expected(x))
    written = eval(torch_text(text), {"torch": torch, "x": x})  # the text was read by the parser first
    torch.testing.assert_close(written, expected(x))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("__import__('os').system('true')", "is not known"),
        ("x.__class__", "is not known"),
        ("(lambda: x)()", "is not known"),
        ("import os", "cannot be read"),
        ("x +", "cannot be read"),
        ("3", "holds neither"),
        ("x + y", "a function of x alone"),
        ("log(x)", "must be finite"),
        ("1/x", "must be finite, and at most 1,000,000"),
        ("9**9**9*x", "must be finite"),
    ],
)
def test_a_formula_cannot_reach_python_nor_leave_the_numbers(text, words):
    with pytest.raises(InputError) as caught:
        formula_task(text, 4)
    assert words in str(caught.value)


def test_points_are_scaled_for_the_network_and_shown_as_they_are():
    points = [(100.0 + x, 5000.0 - 10 * x) for x in range(30)]
    found = make_subject({**SETTING, "task_options": {"target": "csv", "curve": "a"}}, None, points)
    x, y = found.task.data.train
    assert float(x.abs().max()) <= 1
    assert float(y.abs().max()) < 2
    assert (float(found.x.shown(found.grid)[0]), float(found.x.shown(found.grid)[-1])) == (100, 129)
    shown = {(round(float(a)), round(float(b))) for a, b in zip(found.x.shown(x), found.y.shown(y), strict=True)}
    assert shown <= {(round(a), round(b)) for a, b in points}
    assert found.curve is None


def test_points_on_a_level_line_are_no_division_by_zero():
    found = make_subject({**SETTING, "task_options": {"target": "csv", "curve": "a"}}, None, [(float(x), 7.0) for x in range(12)])
    assert torch.isfinite(found.task.data.train[1]).all()


def test_a_formula_is_named_in_the_task():
    assert formula_task(" sin(x) ", 4).description == "a 1-4-1 tanh network fits y = sin(x)"


def test_digits_may_be_wider():
    assert make_subject({**SETTING, "task": "digits", "width": 32}, None, ()).task.reference == "digits"
    wide = make_subject({**SETTING, "task": "digits", "width": 5}, None, ())
    assert wide.grid is None
    assert wide.task.build(0)[0].out_features == 5
    assert list(wide.task.metrics) == ["accuracy"]


def test_a_task_of_ones_own_keeps_its_batch_size():
    assert make_subject({**SETTING, "task": "user"}, "line", ()).task.name == "line"
    assert make_subject({**SETTING, "task": "user", "batch_size": 7}, "line", ()).task.rows_per_step == 7


def test_scales():
    assert Axis(2.0, 3.0).shown(torch.tensor(1.0)) == 5
