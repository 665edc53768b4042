"""What to do about errors of torch, found by running them."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.base.errors import TaskError
from ravine.tasks import Task

X, Y = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 2
LATE = torch.cat([Y[:-1], torch.tensor([7])])
TOKENS = torch.arange(24).reshape(12, 2) % 5


def task(**changes):
    parts = {"name": "t", "model": lambda: nn.Linear(3, 2), "train": (X, Y), "validation": (X, Y), "loss": F.cross_entropy, "batch_size": 4}
    return Task(**(parts | changes))


class Reader(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.table, self.head = nn.Embedding(rows, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.table(x).mean(1))


def normed():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def own_loss(output, target):
    return F.cross_entropy(output, target)


def by_step(model, batch):
    return F.cross_entropy(model(batch[0]), batch[1])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"train": (X, LATE)},
            "Class numbers must be 0 to 1 and these go from 0 to 7. Number the classes from 0, or give the model 8 outputs.",
        ),
        ({"train": (X, LATE)}, "task 't', train split: the loss cross_entropy"),
        ({"validation": (X, LATE)}, "task 't', validation split: the loss cross_entropy"),
        ({"test": (X, LATE)}, "task 't', test split: the loss cross_entropy"),
        ({"train": (X, torch.where(LATE == 7, -7, LATE))}, "these go from -7 to 1. Number the classes from 0."),
        (
            {"model": lambda: nn.LSTM(3, 2)},
            "The model returns a tuple and cross_entropy takes a tensor: return the tensor alone from forward()",
        ),
        ({"model": lambda: nn.Linear(5, 2)}, "A layer for 5 features got 3: make the two numbers equal."),
        ({"loss": lambda *_: None}, "<lambda> returned None: must be a 0-d tensor. End it with a return of the loss."),
        ({"model": nn.Linear}, "and 'out_features'. Give a function that fills its arguments in: lambda: Linear(...)."),
        ({"model": lambda: nn.Linear(3, 2).requires_grad_(False)}, "All it has are frozen: call requires_grad_(True) on those to train."),
        ({"train": (X, LATE), "loss": own_loss}, "Class numbers must be 0 to 1"),
        ({"train": (X, LATE), "loss": None, "step": by_step}, "The label 7 has no output of its own: number the classes from 0"),
        (
            {"model": lambda: Reader(4), "train": (TOKENS, Y), "validation": (TOKENS, Y)},
            "The whole numbers of the input go from 0 to 4, and the model's smallest embedding has 4 rows: number them from 0",
        ),
        (
            {"train": (X.long(), Y), "validation": (X.long(), Y)},
            "Its parameters are torch.float32 and the input is torch.int64: convert with x.to(torch.float32).",
        ),
        ({"model": normed, "batch_size": 1}, "BatchNorm needs batches of two rows and more in training: use a larger batch_size."),
    ],
)
def test_errors_of_torch_come_with_what_to_do(changes, sentence):
    with pytest.raises(TaskError, match=re.escape(sentence)) as caught:
        task(**changes).check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": lambda: Reader(5), "train": (TOKENS, Y), "validation": (TOKENS, Y)},
        {"train": (X, torch.where(Y == 1, -100, Y))},
    ],
)
def test_numbers_in_range_are_fine(changes):
    """-100 is the label that cross_entropy leaves out."""
    task(**changes).check()
