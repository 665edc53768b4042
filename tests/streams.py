"""Parameters and gradients that two optimisers can be fed alike."""

import math

import torch

SHAPES = ((4, 3), (5,), (), (2, 1, 3), (0, 2))


def parameters(shapes=SHAPES, dtype=torch.float64, seed=0):
    """Fresh leaf parameters; the same seed gives the same values."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)) for shape in shapes]


def give_gradients(params, step, *, skip=()):
    """Set gradients that depend on the step and on the weights; positions in `skip` get none."""
    generator = torch.Generator().manual_seed(1000 + step)
    for position, param in enumerate(params):
        noise = torch.randn(param.shape, generator=generator, dtype=torch.float64).to(param.dtype)
        param.grad = None if position in skip else noise + 0.5 * param.detach()


def train(optimizer, params, steps, *, start=0, skip_at=()):
    """Run steps of the stream; at steps in `skip_at` the first parameter has no gradient."""
    for step in range(start, start + steps):
        give_gradients(params, step, skip=(0,) if step in skip_at else ())
        optimizer.step()


def rate(step):
    """A factor on lr that changes at every step."""
    return 1.0 + 0.5 * math.sin(0.7 * step)


def values(params):
    """Copies of the weights."""
    return [param.detach().clone() for param in params]


def same(left, right):
    """Whether two lists of tensors hold the same bits and dtypes (NaN equals NaN)."""
    pairs = list(zip(left, right, strict=True))
    return all(a.dtype == b.dtype and torch.equal(a.nan_to_num(nan=1e30), b.nan_to_num(nan=1e30)) for a, b in pairs)
