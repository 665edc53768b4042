"""One lane's gradient as a graph: random draws and constants become inputs."""

import pytest
import torch
from torch import nn

from ravine.fleet.native import GradientFunction, Unsupported, compiler
from ravine.fleet.native.tracing import named_offsets, trace_gradient


class Net(nn.Module):
    """A forward that returns its loss."""

    def __init__(self, body, norm=False):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))
        self.norm = nn.BatchNorm1d(3) if norm else nn.Identity()
        self.register_buffer("fixed", torch.ones(3))
        self.body = body

    def forward(self, batch):
        return self.body(self.norm(batch @ self.weight.t())).mean()


BATCH = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


def test_draws_and_constants_and_changed_state_are_told():
    traced = trace_gradient(Net(lambda t: nn.functional.dropout(t * torch.tensor([1.0, 2.0, 3.0]), 0.4), norm=True).train(), BATCH)
    assert traced.parameters == ("weight", "norm.weight", "norm.bias")
    assert traced.state == ("fixed", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked")
    assert traced.changed == traced.state[1:]
    assert [draw.shape for draw in traced.draws] == [(5, 3)]
    assert [constant.tolist() for constant in traced.constants] == [[1.0, 2.0, 3.0]]


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler was found")
@pytest.mark.parametrize(
    "body",
    [
        lambda t: nn.functional.dropout(t, 0.4),
        lambda t: nn.functional.dropout(t.t() * 1.5, 0.4),
        lambda t: t + torch.randn_like(t.t()).t(),
        lambda t: t * torch.rand(t.shape),
        lambda t: t * torch.randperm(5)[:, None],
        lambda t: nn.functional.gumbel_softmax(t, dim=-1).square(),
        lambda t: t * torch.distributions.Normal(t, 1.0, validate_args=False).rsample(),
    ],
    ids=["dropout", "permuted", "like-permuted", "shape", "permutation", "gumbel", "normal"],
)
def test_draws_are_those_of_torch_in_the_order_of_memory(body):
    function = GradientFunction(Net(body), BATCH)
    assert function.draws
    function.check(Net(body), BATCH, seed=3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lambda t: t * float(t.sum()), "cannot be traced"),
        (lambda t: t * torch.multinomial(t.sigmoid(), 1), "draws random numbers by aten.multinomial"),
    ],
)
def test_what_cannot_be_repeated_outside_is_unsupported(body, reason):
    with pytest.raises(Unsupported, match=reason):
        trace_gradient(Net(body).train(), BATCH)


def test_parameters_lie_end_to_end():
    named = {"a": torch.zeros(2, 3), "b": torch.zeros(()), "c": torch.zeros(4)}
    assert named_offsets(named) == {"a": (0, (2, 3)), "b": (6, ()), "c": (7, (4,))}
