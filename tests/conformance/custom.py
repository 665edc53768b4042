"""Models with code of the user's own in forward and backward."""

import numpy as np
import torch
from torch import nn

from conformance.row import Built, Row, looped, numbers

VECTOR = numbers(6)


class Old(torch.autograd.Function):
    """As in torch before 2.0."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0) ** 2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x.clamp(min=0)


class Generated(torch.autograd.Function):
    """With setup_context, from which torch makes the rule for vmap."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.clamp(min=0) ** 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x.clamp(min=0)


class Written(torch.autograd.Function):
    """With a rule for vmap of its own."""

    @staticmethod
    def forward(x):
        return x.clamp(min=0) ** 2

    setup_context = Generated.setup_context
    backward = Generated.backward

    @staticmethod
    def vmap(info, in_dims, x):
        return Written.apply(x), in_dims[0]


class Numpy(torch.autograd.Function):
    """Leaves torch on the way."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.from_numpy(np.square(np.maximum(x.detach().numpy(), 0)))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x.clamp(min=0)


def using(function) -> nn.Module:
    return Built(lambda m, x: m.head(function.apply(m.first(x))), first=nn.Linear(6, 8), head=nn.Linear(8, 3))


def straight_through(m, x):
    h = m.first(x)
    return m.head(h + (h.round() - h).detach())


def joined(run) -> nn.Module:
    return Built(run, first=nn.Linear(6, 8), head=nn.Linear(8, 3))


def by_item(m, x):
    return m.head(torch.tanh(m.first(x))) * (1 + m.head.bias.abs().sum().item())


def by_branch(m, x):
    h = m.first(x)
    return m.head(h if h.mean() > 0 else -h)


def by_batch(m, x):
    return m.head(torch.tanh(m.first(x))) * (2.0 if x.sum() > 0 else 1.0)


class Counts(nn.Module):
    """A schedule of its own in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.seen = nn.Linear(6, 3), 0

    def forward(self, x):
        self.seen += self.training
        return self.layer(x) * min(1.0, self.seen / 10)


def hooked() -> nn.Module:
    model = joined(straight_through)
    model.first.weight.register_hook(lambda g: g.clamp(-0.01, 0.01))
    return model


def depth(m, x):
    for layer in m.layers:
        if m.training and torch.rand(()) < 0.5:
            continue
        x = x + torch.tanh(layer(x))
    return m.head(x)


def stochastic() -> nn.Module:
    return Built(depth, layers=nn.ModuleList(nn.Linear(6, 6) for _ in range(3)), head=nn.Linear(6, 3))


TABLE = [
    Row(
        "autograd.Function without a rule for vmap",
        lambda: using(Old),
        VECTOR,
        looped(
            "its autograd.Function cannot be stacked (it can with setup_context() and generate_vmap_rule = True, or a vmap() of its own)"
        ),
        traceable=True,
    ),
    Row("autograd.Function with a generated rule for vmap", lambda: using(Generated), VECTOR),
    Row("autograd.Function with its own rule for vmap", lambda: using(Written), VECTOR),
    Row(
        "autograd.Function through numpy",
        lambda: using(Numpy),
        VECTOR,
        looped(
            "its autograd.Function cannot be stacked (it can with setup_context() and generate_vmap_rule = True, or a vmap() of its own)"
        ),
        traceable=False,
    ),
    Row("straight-through estimator", lambda: joined(straight_through), VECTOR, is_slow=True),
    Row(
        "a value read with .item()",
        lambda: joined(by_item),
        VECTOR,
        looped("its forward reads a value out of a tensor (.item() or an if on data)"),
        traceable=False,
    ),
    Row(
        "an if on activations",
        lambda: joined(by_branch),
        VECTOR,
        looped("its forward reads a value out of a tensor (.item() or an if on data)"),
        traceable=False,
        is_slow=True,
    ),
    Row("an if on the batch", lambda: joined(by_batch), VECTOR, traceable=False),
    Row("a counter in Python", Counts, VECTOR, looped("its forward changes Python state (attribute model.seen)"), traceable=False),
    Row(
        "a hook on a gradient",
        hooked,
        VECTOR,
        looped("its parameter model.first.weight has a hook on the backward pass, which would not run"),
        traceable=False,
    ),
    Row(
        "layers skipped at random",
        stochastic,
        VECTOR,
        looped("its training forward takes a value out of a tensor that chance decides, so that chance decides what runs"),
        traceable=False,
    ),
]
