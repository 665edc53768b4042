"""`digits`: scikit-learn's 1,797 real handwritten digits of 8 x 8 pixels."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ravine.tasks._task import Sources, Task
from ravine.tasks.metrics import accuracy


def digits_model() -> nn.Module:
    """64-32-10 with ReLU."""
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def digits_splits() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """The splits of scikit-learn's digits."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes seconds, and only this data set needs it

    return stratified(*load_digits(return_X_y=True))


def stratified(images: np.ndarray, labels: np.ndarray) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, validation and test in the ratio 60/20/20 within every class; pixels in [0, 1]."""
    shuffled = np.random.RandomState(0).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fifth = np.empty(len(labels), dtype=np.int64)
    fifth[by_class] = np.arange(len(labels)) % 5
    x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)
    train, validation, test = torch.tensor(fifth < 3), torch.tensor(fifth == 3), torch.tensor(fifth == 4)
    return (x[train], y[train]), (x[validation], y[validation]), (x[test], y[test])


def read_splits() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """What `digits_splits` gives, without importing scikit-learn, which takes longer than many a race: it is a file of its package."""
    spec = find_spec("sklearn")
    table = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz" if spec is not None and spec.origin else None
    if table is None or not table.is_file():
        return digits_splits()
    rows = np.loadtxt(table, delimiter=",")
    return stratified(rows[:, :-1], rows[:, -1].astype(np.int64))


def digits() -> Task:
    """Scikit-learn's real 8x8 handwritten digits, 64-32-10 ReLU, cross entropy."""
    return Task(
        "digits",
        digits_model,
        load=read_splits,
        loss=F.cross_entropy,
        metrics={"accuracy": accuracy},
        batch_size=64,
        sources=Sources((digits_model, stratified, digits_splits), model="digits_model()", data="digits_splits()", loss="F.cross_entropy"),
        description="1,797 real handwritten digits of 8x8 pixels",
    )
