"""What a row of the conformance table says, and the data that rows are trained on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ravine.tasks import Task

ROWS, BATCH, CLASSES = 22, 4, 3
"""22 rows in batches of 4: epochs end with a remainder."""


@dataclass(frozen=True, eq=False)
class Row:
    """One kind of model.

    Attributes:
        name: what the documents call it.
        build: a new module.
        data: (rows, dtype) -> tree of tensors, the same at every call.
        why_not: mode -> part of the reason for which the engine leaves the mode out; a mode that is absent holds the model.
        traceable: whether one training step is a fixed sequence of tensor operations.
        loss: the mean loss of (output, target), unless there is a `step`.
        step: (model, batch) -> loss.
        tolerance: dtype -> largest relative difference; a dtype that is absent is not run.
        rate: share of the usual rates, for models that these would blow up.
        is_slow: whether the default tests leave it out.
        needs: packages without which the row is skipped.
    """

    name: str
    build: Callable[[], nn.Module]
    data: Callable[[int, torch.dtype], Any]
    why_not: dict[str, str] = field(default_factory=dict)
    traceable: bool = True
    loss: Callable[[Any, Any], torch.Tensor] = F.cross_entropy
    step: Callable[[nn.Module, Any], torch.Tensor] | None = None
    tolerance: dict[torch.dtype, float] = field(default_factory=lambda: {torch.float32: 1e-5, torch.float64: 1e-10})
    rate: float = 1.0
    is_slow: bool = False
    needs: tuple[str, ...] = ()

    def task(self, dtype: torch.dtype) -> Task:
        """The row as a task in one precision."""
        criterion = {"step": self.step} if self.step else {"loss": self.loss}
        splits = self.data(ROWS, dtype), self.data(10, dtype)
        return Task(self.name, lambda: self.build().to(dtype), *splits, batch_size=BATCH, **criterion)


def looped(reason: str) -> dict[str, str]:
    """For rows that train one lane after the other."""
    return {"stacked": reason}


def generator(rows: int) -> torch.Generator:
    """The same draws for the same number of rows."""
    return torch.Generator().manual_seed(rows)


def classes(x: torch.Tensor) -> torch.Tensor:
    """Three classes that a model can learn from the input."""
    flat = x.flatten(1)
    return (flat.mean(1) > 0).long() + (flat[:, 0] > flat[:, -1]).long()


def numbers(*shape: int) -> Callable[[int, torch.dtype], Any]:
    """Normal inputs of a shape, and their class."""

    def data(rows: int, dtype: torch.dtype) -> Any:
        x = torch.randn(rows, *shape, generator=generator(rows), dtype=torch.float64)
        return x.to(dtype), classes(x)

    return data


def tokens(length: int, vocabulary: int) -> Callable[[int, torch.dtype], Any]:
    """Token numbers, and the class of their sequence."""

    def data(rows: int, dtype: torch.dtype) -> Any:
        x = torch.randint(vocabulary, (rows, length), generator=generator(rows))
        return x, classes(x.double() - vocabulary / 2)

    return data


def text(length: int, vocabulary: int) -> Callable[[int, torch.dtype], Any]:
    """Token numbers, and the next token at every place."""

    def data(rows: int, dtype: torch.dtype) -> Any:
        x = torch.randint(vocabulary, (rows, length + 1), generator=generator(rows))
        return x[:, :-1].contiguous(), x[:, 1:].contiguous()

    return data


def over_places(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over every place of a sequence."""
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


class Built(nn.Module):
    """A module made of named parts and a function of them and the batch: most rows need no more."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Any) -> Any:
        """Whatever the function gives."""
        return self.run(self, *inputs)
