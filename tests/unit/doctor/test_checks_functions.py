"""The rung `gradient check`: functions with right and wrong derivatives."""

import pytest
import torch
from torch import nn

from doctor_tasks import healthy
from ravine.doctor.checks_functions import gradient_check, relative_error
from ravine.doctor.subject import Settings, Subject


class Square(torch.autograd.Function):
    factor = 2.0

    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x * x

    @classmethod
    def backward(cls, ctx, gradient):
        (x,) = ctx.saved_tensors
        return cls.factor * ctx.scale * x * gradient, None


class Wrong(Square):
    factor = 3.0

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 3.0 * ctx.scale * x * gradient, None


class Right(Square):
    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2.0 * ctx.scale * x * gradient, None


class Off(Square):
    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2.002 * ctx.scale * x * gradient, None


def net(kind):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(6, 16), nn.Linear(16, 4)

        def forward(self, x):
            return self.last(kind.apply(self.first(x), 0.5))

    return Own


@pytest.mark.parametrize(
    ("kind", "verdict", "titles"),
    [(Right, "pass", []), (Off, "warn", ["a custom gradient is inexact"]), (Wrong, "fail", ["a custom gradient is wrong"])],
)
def test_a_derivative_is_checked_on_what_the_function_gets(kind, verdict, titles):
    apply = kind.apply
    outcome = gradient_check(Subject(healthy(net(kind)), Settings()))
    assert outcome.rung.verdict == verdict
    assert [finding.title for finding in outcome.findings] == titles
    assert kind.apply == apply, "the function must be as it was"


def test_a_model_without_custom_functions_passes():
    assert gradient_check(Subject(healthy(), Settings())).rung.measured == "no custom autograd.Function"


def test_a_function_that_is_not_reached_by_name_is_unknown():
    class Held(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.function = nn.Linear(6, 4), Wrong.apply

        def forward(self, x):
            return self.function(self.first(x), 0.5)

    outcome = gradient_check(Subject(healthy(Held), Settings()))
    assert (outcome.rung.verdict, outcome.rung.measured) == ("unknown", "Wrong not reached")


def test_the_error_is_that_of_the_derivative():
    x = torch.randn(5, generator=torch.Generator().manual_seed(0))
    assert relative_error(Right, (x, 2.0)) < 1e-7
    assert relative_error(Wrong, (x, 2.0)) == pytest.approx(1 / 3, rel=1e-5)
