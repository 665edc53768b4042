"""Stacked copies against copies alone: what is found out by trying."""

import pytest
import torch
from torch import nn

from ravine.fleet.trial import OTHER_NUMBERS, alone, is_mixable, obstacle

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
BATCHES = [X, X.flip(0) * 2]


class Model(nn.Module):
    """Two layers joined by a function of both and the input."""

    def __init__(self, join):
        super().__init__()
        self.first, self.second, self.join = nn.Linear(4, 1), nn.Linear(4, 1), join

    def forward(self, x, evaluate=False):
        loss = self.join(self.first, self.second, x).square().mean()
        return {"loss": loss} if evaluate else loss


def copies(join):
    def copy():
        torch.manual_seed(0)
        return Model(join)

    return copy


def both(first, second, x):
    return first(x) + second(x)


def one(first, second, x):
    return first(x)


def by_draw(first, second, x):
    return first(x) + second(x) if torch.rand(1) < 0.5 else first(x)


def by_batch(first, second, x):
    return first(x) * (2.0 if x.sum() > 0 else 1.0)


def by_rows(first, second, x):
    return first(x[x.sum(1) > 0])


def infinite(first, second, x):
    return first(x) * float("nan")


def test_parameters_without_a_gradient_are_known():
    assert alone(copies(one), X, 0).unused == {"second.weight", "second.bias"}
    assert alone(copies(both), X, 0).unused == frozenset()


@pytest.mark.parametrize("join", [both, one, infinite])
def test_what_computes_the_same_in_a_stack_is_no_obstacle(join):
    assert obstacle(copies(join), BATCHES, (0,)) == ""
    assert is_mixable(copies(join), BATCHES)


def test_a_parameter_used_in_some_steps_only_is_an_obstacle():
    reason = obstacle(copies(by_draw), BATCHES, range(6))
    assert reason == "its forward leaves out other parameters from step to step (second.bias, second.weight)"


@pytest.mark.parametrize("join", [by_batch, by_rows])
def test_python_that_looks_at_the_batch_works_while_lanes_share_it(join):
    assert obstacle(copies(join), BATCHES, (0,)) == ""
    assert not is_mixable(copies(join), BATCHES)


def rounded(first, second, x):
    """Off by a thousandth in a stack."""
    return first(x) * (1.0 if torch._C._functorch.maybe_current_level() is None else 1.004)


def test_a_digit_of_bfloat16_is_rounding_only_where_bfloat16_is_computed_in():
    assert obstacle(copies(rounded), BATCHES, (0,)) == OTHER_NUMBERS
    assert obstacle(copies(rounded), BATCHES, (0,), torch.float32) == OTHER_NUMBERS
    assert obstacle(copies(rounded), BATCHES, (0,), torch.bfloat16) == ""
    assert is_mixable(copies(rounded), BATCHES, torch.bfloat16)


def in_evaluation_only(first, second, x):
    return first(x) if first.training else first(torch.nn.functional.rrelu(x, training=True))


def test_an_evaluation_that_cannot_be_stacked_is_an_obstacle():
    assert obstacle(copies(in_evaluation_only), BATCHES, (0,)) == "torch has no batching rule for aten::rrelu"


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        ("vmap: It looks like you're calling .item() on a Tensor.", "its forward reads a value out of a tensor (.item() or an if on data)"),
        (
            "operators that can output dynamic shape. Attempted to vmap over aten::nonzero.",
            "shapes in its forward depend on values (aten::nonzero)",
        ),
        ("Batching rule not implemented for aten::foo.out; the fallback", "torch has no batching rule for aten::foo.out"),
        ("it must override the setup_context staticmethod", "its autograd.Function cannot be stacked (it can with setup_context()"),
        ("don't yet support saved tensor hooks. Please", "it saves activations through hooks, as checkpointing does"),
        ("\n\nsomething else\nmore", "RuntimeError under vmap: something else"),
    ],
)
def test_what_torch_says_of_an_obstacle_is_put_in_half_a_sentence(raised, reason):
    def join(first, second, x):
        if torch._C._functorch.maybe_current_level() is not None:
            raise RuntimeError(raised)
        return first(x)

    assert obstacle(copies(join), BATCHES, (0,)).startswith(reason)


def test_one_copy_that_is_not_finite_while_the_stack_is_gives_other_numbers():
    def join(first, second, x):
        return first(x) * (1.0 if torch._C._functorch.maybe_current_level() is not None else float("nan"))

    assert obstacle(copies(join), BATCHES, (0,)) == "stacked copies gave other numbers than one copy"
