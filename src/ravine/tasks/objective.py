"""A task's loss and metrics as one module over (model, batch): what a fleet differentiates."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils import _pytree

from ravine.base.errors import TaskError
from ravine.tasks.splits import Tree

if TYPE_CHECKING:
    from ravine.tasks._task import Task


class Objective(nn.Module):
    """The loss of a batch; with `evaluate=True` the loss and every metric.

    The wrapped model is the submodule `model`, so that parameter names carry the prefix `model.`. Training or
    evaluation mode, and whether gradients are recorded, is the caller's business.

    Args:
        model: what `task.build` returned.
        task: says how the loss comes about.
    """

    model: nn.Module

    def __init__(self, model: nn.Module, task: "Task") -> None:
        super().__init__()
        self.model = model
        self.task = task

    def forward(self, batch: Tree, evaluate: bool = False) -> Any:
        """The mean loss of the batch as a 0-d tensor, or a dictionary `{"loss": ..., metric: ...}` of 0-d tensors."""
        if not evaluate:
            return self._loss(batch)
        if self.task.step is not None:
            return {"loss": self._loss(batch)} | {name: metric(self.model, _own(batch)) for name, metric in self.task.metrics.items()}
        inputs, target = divide(batch)
        output = self.model(*inputs)
        return {"loss": self._criterion(output, target)} | {name: metric(output, target) for name, metric in self.task.metrics.items()}

    def _loss(self, batch: Tree) -> torch.Tensor:
        if self.task.step is not None:
            return self.task.step(self.model, _own(batch))
        inputs, target = divide(batch)
        return self._criterion(self.model(*inputs), target)

    def _criterion(self, output: Any, target: Any) -> torch.Tensor:
        assert self.task.loss is not None, "a task has a loss or a step"
        return self.task.loss(output, target)


def _own(batch: Tree) -> Tree:
    """The same tensors in containers of their own: a step may take its labels out of a dictionary with `pop`."""
    return _pytree.tree_map(lambda leaf: leaf, batch)


def divide(batch: Tree) -> tuple[tuple[Tree, ...], Tree]:
    """A batch as (arguments of the model, target): the target stands last.

    Raises:
        TaskError: the batch is no tuple of at least two.
    """
    if not isinstance(batch, tuple) or len(batch) < 2:
        kind = f"a {type(batch).__name__} of {len(batch)}" if isinstance(batch, tuple | dict) else f"a {type(batch).__name__}"
        raise TaskError(f"a batch is {kind}: with loss= it must be a tuple (inputs..., target). Give step=(model, batch) -> loss instead.")
    return batch[:-1], batch[-1]
