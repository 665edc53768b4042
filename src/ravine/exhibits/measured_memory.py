"""What a task's model takes in memory: its tensors counted, and what one batch's forward saves measured by running it."""

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.base._checks import count
from ravine.base._seeds import derive
from ravine.exhibits.memory import PRECISIONS, Model
from ravine.fleet.data import duplicate, gather, size
from ravine.fleet.memory import saved_bytes
from ravine.tasks import Objective, Task
from ravine.tasks._randomness import isolated
from ravine.tasks.kinds import parameter_kinds


def measured(task: Task, precisions: Sequence[str] = ("fp32",), *, rows: int | None = None, seed: int = 0) -> Model:
    """A task's model: its tensors counted, and what one batch's forward saves measured by running it.

    Args:
        task: gives model, batch and loss; it is not changed.
        precisions: in which activations are measured.
        rows: of the batch; the task's own if None.
        seed: of the weights and of the batch.

    Raises:
        InputError: more rows than there are.
        TaskError, DataError: the task cannot be run.
    """
    train = task.data.train
    chosen = task.rows_per_step if rows is None else count("batch size", rows, at_most=size(train), do="It is of the training split.")
    with isolated(derive(seed, "memory")):
        batch = gather(train, torch.randperm(size(train))[:chosen])
        objective = Objective(task.build(seed), task)
        activations = {name: _activations(objective, batch, name) for name in precisions}
    kinds = parameter_kinds(objective.model)
    named = dict(objective.model.named_parameters())
    trainable = {name: p for name, p in named.items() if p.requires_grad}
    return Model(
        name=f"{task.name}: {type(objective.model).__name__}",
        trainable=sum(p.numel() for p in trainable.values()),
        frozen=sum(p.numel() for name, p in named.items() if name not in trainable),
        tensors=tuple((kinds[name], tuple(p.shape)) for name, p in trainable.items()),
        buffers=sum(b.nbytes for b in objective.model.buffers()),
        activations=activations,
        rows=chosen,
    )


def _activations(objective: Objective, batch: Any, precision: str) -> int:
    """Bytes saved by the forward of one batch."""
    kind = PRECISIONS[precision]
    if kind.is_narrow:
        # A copy's layers compute in what its weights are; what leaves them for the loss is float32 again, as in training.
        objective = Objective(copy.deepcopy(objective.model).to(torch.bfloat16), objective.task)
        objective.model.register_forward_pre_hook(lambda _, args, kwargs: _as((args, kwargs), torch.bfloat16), with_kwargs=True)
        objective.model.register_forward_hook(lambda _, __, output: _as(output, torch.float32))
    device = next(objective.parameters()).device.type
    with nullcontext() if kind.autocast is None else torch.autocast(device, getattr(torch, kind.autocast)):
        return saved_bytes(objective, duplicate(batch))


def _as(tree: Any, dtype: torch.dtype) -> Any:
    return pytree.tree_map(lambda leaf: leaf.to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf, tree)
