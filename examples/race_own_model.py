"""Race optimisers on a model and data of your own: a small residual network on scikit-learn's breast-cancer table.

python examples/race_own_model.py [STEPS]
"""

import sys

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

import ravine


class Residual(nn.Module):
    """x + W2 gelu(W1 norm(x))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def make_model() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 32), Residual(32), Residual(32), nn.Linear(32, 2))


def make_splits():
    x, y = load_breast_cancer(return_X_y=True)
    x = torch.as_tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
    y = torch.as_tensor(y)
    rest, test = train_test_split(range(len(y)), test_size=0.2, stratify=y, random_state=0)
    train, validation = train_test_split(rest, test_size=0.25, stratify=y[rest], random_state=0)
    return [(x[rows], y[rows]) for rows in (train, validation, test)]


def make_task() -> ravine.Task:
    train, validation, test = make_splits()
    return ravine.Task(
        name="breast-cancer",
        model=make_model,
        train=train,
        validation=validation,
        test=test,
        loss=F.cross_entropy,
        metrics={"accuracy": ravine.metrics.accuracy},
        batch_size=32,
    )


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    result = ravine.race(make_task(), optimizers=["sgd", "momentum", "adam"], steps=steps, seeds=5)
    print(result.table())
    print(result.recommendation.sentence)
