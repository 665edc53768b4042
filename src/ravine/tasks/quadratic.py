"""`quadratic-deep`: a noisy 100-dimensional quadratic with ten stiff directions, after DeepOBS.

References:
    Schneider, Balles and Hennig (2019), DeepOBS: a deep learning optimizer benchmark suite, arXiv:1903.05499. The
    spectrum follows Chaudhari et al. (2017), Entropy-SGD, arXiv:1611.01838; the rotation is Diaconis and
    Shahshahani's subgroup algorithm (1987).
"""

import numpy as np
import torch
from torch import nn

from ravine.tasks._task import Sources, Task


def quadratic_hessian() -> np.ndarray:
    """R^T D R: 90 eigenvalues uniform in (0, 1), 10 in (30, 60), and a random rotation R, all of one stream."""
    stream = np.random.RandomState(42)
    eigenvalues = np.concatenate([stream.uniform(0, 1, 90), stream.uniform(30, 60, 10)])
    angle = 2 * np.pi * stream.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for size in range(3, 101):
        # Embed the smaller rotation, then reflect so that the first axis goes to a uniform direction.
        direction = stream.normal(size=size)
        mirror = np.eye(size)[0] - direction / np.linalg.norm(direction)
        mirror /= np.linalg.norm(mirror)
        embedded = np.eye(size)
        embedded[1:, 1:] = rotation
        rotation = embedded - 2 * np.outer(mirror, mirror @ embedded)
    return np.asarray(rotation.T @ np.diag(eigenvalues) @ rotation)


class Quadratic(nn.Module):
    """0.5 (theta - x)^T Q (theta - x) of every row x, with theta all ones at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.ones(100))
        # No buffer: copies of the model that run side by side share this one constant.
        self.hessian = torch.tensor(quadratic_hessian(), dtype=torch.float32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The rows' values, (B,), from x, (B, 100)."""
        offset = self.theta - x
        return 0.5 * ((offset @ self.hessian.to(offset)) * offset).sum(-1)


def quadratic_step(model: nn.Module, batch: tuple[torch.Tensor]) -> torch.Tensor:
    """Mean over the batch."""
    return model(batch[0]).mean()  # type: ignore[no-any-return]


def quadratic_splits() -> tuple[tuple[torch.Tensor], ...]:
    """Rows of N(0, 0.6^2 I): 1,000 to train on, 896 each for validation and test."""
    rows = [torch.tensor(np.random.RandomState(seed).normal(0, 0.6, (1000, 100)), dtype=torch.float32) for seed in (42, 44, 43)]
    return (rows[0],), (rows[1][:896],), (rows[2][:896],)


def quadratic_deep() -> Task:
    """A noisy quadratic in 100 dimensions, ten of them stiff (DeepOBS): a known answer for optimisers.

    The mean over rows x of 0.5 (theta - x)^T Q (theta - x), from theta all ones, batches of 128. DeepOBS drops the
    incomplete batch of its 1,000 test rows too, so 896 remain. Its validation is its test; here validation is a
    third draw of the same kind (seed 44), as rates must not be tuned on what ranks.
    """
    return Task(
        "quadratic-deep",
        Quadratic,
        load=quadratic_splits,
        step=quadratic_step,
        batch_size=128,
        sources=Sources(
            (quadratic_hessian, Quadratic, quadratic_step, quadratic_splits),
            model="Quadratic()",
            data="quadratic_splits()",
            step="quadratic_step",
        ),
        description="a noisy quadratic in 100 dimensions with ten stiff directions",
    )
