"""Random programs of tensors: the shapes, merges and lifetimes that nobody thought of."""

import random
from dataclasses import dataclass
from typing import Any

import torch

from native_operations import F32, F64, normal

LENGTHS = (1, 1, 2, 3, 4)


@dataclass(frozen=True)
class Dag:
    """One random program.

    Attributes:
        seed: decides everything.
        differentiates: whether the gradient of its results is the result.
    """

    seed: int
    differentiates: bool = False

    @property
    def id(self):
        return f"{'gradient' if self.differentiates else 'program'}-{self.seed}"

    @property
    def element(self):
        return F32 if self.seed % 4 == 0 else F64

    @property
    def limit(self):
        return 2e-4 if self.element == F32 else 1e-9

    @property
    def inputs(self):
        choose = random.Random(self.seed)
        shapes = [[choose.choice(LENGTHS) for _ in range(choose.randint(0, 4))] for _ in range(3)]
        return tuple(normal(*shape, dtype=self.element, seed=self.seed + at) for at, shape in enumerate(shapes))

    def call(self, *tensors):
        if not self.differentiates:
            return self.results(tensors)
        return torch.func.grad(lambda given: sum(result.double().sum() for result in self.results(given)))(tensors)

    def results(self, tensors) -> list[Any]:
        choose = random.Random(self.seed + 1)
        pool = list(tensors)
        for _ in range(choose.randint(4, 24)):
            # Late tensors are preferred, so that chains grow long; early ones come back, so that they live long.
            operand = pool[-1] if choose.random() < 0.5 else choose.choice(pool)
            result = choose.choice(STEPS)(choose, operand, pool)
            if result.numel() <= 600:
                pool.append(result)
        return [pool[-1], *choose.sample(pool, min(3, len(pool)))]


def unary(choose, x, pool):
    return choose.choice(
        (torch.tanh, torch.sigmoid, torch.sin, torch.neg, torch.abs, torch.relu, lambda t: t * 0.5 + 1, lambda t: 1 / (t * t + 1))
    )(x)


def binary(choose, x, pool):
    fitting = [y for y in pool if _fits(x.shape, y.shape)]
    y = choose.choice(fitting)
    return choose.choice((torch.add, torch.mul, torch.sub, torch.maximum, lambda a, b: torch.where(a > b, a, b * 0.5)))(x, y)


def _fits(first, second):
    return all(a == b or 1 in (a, b) for a, b in zip(reversed(first), reversed(second), strict=False))


def reduced(choose, x, pool):
    if not x.dim():
        return x + 1
    dims = choose.sample(range(x.dim()), choose.randint(1, x.dim()))
    return choose.choice((torch.sum, torch.mean, torch.amax, lambda t, d, keepdim: t.square().mean(d, keepdim=keepdim)))(
        x, dims, keepdim=choose.random() < 0.6
    )


def normalised(choose, x, pool):
    if not x.dim():
        return x
    dim = choose.randrange(x.dim())
    return choose.choice((torch.softmax, torch.log_softmax, lambda t, d: t - t.mean(d, keepdim=True)))(x, dim)


def product(choose, x, pool):
    if x.dim() < 2:
        return torch.outer(x.reshape(-1), x.reshape(-1))[:4, :5]
    fitting = [y for y in pool if 2 <= y.dim() <= x.dim() and y.shape[-2] == x.shape[-1] and _fits(x.shape[:-2], y.shape[:-2])]
    return torch.tanh(x @ (choose.choice(fitting) if fitting else x.transpose(-1, -2)))


def rearranged(choose, x, pool):
    order = choose.sample(range(x.dim()), x.dim())
    kinds = [
        lambda: x.permute(order),
        lambda: x.permute(order).reshape(-1),
        lambda: x.unsqueeze(choose.randint(0, x.dim())) if x.dim() < 4 else x,
        x.squeeze,
        lambda: x.flip(order[:1]) if order else x,
        lambda: x.flatten(0, 1) if x.dim() > 1 else x,
        lambda: x.unsqueeze(0).expand(choose.choice(LENGTHS), *x.shape) if x.dim() < 4 else x,
    ]
    return choose.choice(kinds)()


def cut(choose, x, pool):
    if not x.dim():
        return x * 2
    dim = choose.randrange(x.dim())
    start = choose.randrange(x.shape[dim])
    kinds = [
        lambda: x.narrow(dim, start, choose.randint(1, x.shape[dim] - start)),
        lambda: x.select(dim, start),
        lambda: torch.cat([x, torch.tanh(x)], dim),
        lambda: torch.cat([x.narrow(dim, 0, start), x.narrow(dim, start, x.shape[dim] - start)], dim) if start else x,
        lambda: torch.nn.functional.pad(x, [choose.randint(0, 1), choose.randint(0, 2)], value=0.5),
        lambda: x.roll(start, dim),
        lambda: x.cumsum(dim),
        lambda: x.gather(dim, x.argmax(dim, keepdim=True)),
        lambda: torch.stack([x, x * 2], dim) if x.dim() < 4 else x,
        lambda: x.chunk(2, dim)[-1] + 1,
    ]
    return choose.choice(kinds)()


STEPS = (unary, unary, binary, binary, binary, reduced, normalised, product, rearranged, rearranged, cut, cut)
