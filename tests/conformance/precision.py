"""Mixed and reduced precision."""

import torch
from torch import nn

from conformance.convolutional import batch_norm
from conformance.dense import mlp
from conformance.row import Built, Row, looped, numbers

VECTOR, IMAGE = numbers(6), numbers(2, 6, 6)
COARSE = {torch.float32: 0.03}
"""One digit of bfloat16 is 0.4 %: which way a product is rounded depends on the order of its sum."""


class Autocast(nn.Module):
    """Its products in bfloat16."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.model(x).float()


class Reduced(nn.Module):
    """All of it in bfloat16, whatever the task asks for."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        return super()._apply(lambda t: t.to(torch.bfloat16) if t.is_floating_point() else t, recurse)

    def forward(self, x):
        return self.model(x.to(torch.bfloat16)).float()


def wide_head() -> nn.Module:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(6, 8), nn.Linear(8, 3)

        def _apply(self, fn, recurse=True):
            super()._apply(fn, recurse)
            self.head.double()
            return self

        def forward(self, x):
            return self.head(torch.tanh(self.first(x)).double())

    return Mixed()


TABLE = [
    Row("bfloat16 autocast, MLP", lambda: Autocast(mlp()), VECTOR, {"native": "it computes in bfloat16"}, tolerance=COARSE),
    Row(
        "bfloat16 autocast, CNN with BatchNorm",
        lambda: Autocast(batch_norm()),
        IMAGE,
        looped("RuntimeError under vmap: expected scalar type BFloat16 but found Float") | {"native": "it computes in bfloat16"},
        tolerance=COARSE,
    ),
    Row("bfloat16 model", lambda: Reduced(mlp()), VECTOR, {"native": "its parameters are bfloat16"}, tolerance=COARSE),
    Row(
        "float64 head on a float32 body",
        wide_head,
        VECTOR,
        {"native": "its parameters are float32 and float64"},
        tolerance={torch.float32: 1e-5},
    ),
    Row(
        "a whole model in one function",
        lambda: Built(lambda m, x: (x @ m.w).sin() @ m.v, w=nn.Parameter(torch.randn(6, 5)), v=nn.Parameter(torch.randn(5, 3))),
        VECTOR,
    ),
]
