"""Where a loss that is no number before the first step comes from."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree

from ravine.base.errors import TaskError
from ravine.tasks._randomness import isolated

BEFORE = "before the first step"
"""In the sentence on a loss that is not finite at the start."""


def check_loss_finite(loss: torch.Tensor, objective: nn.Module, batch: Any, where: str) -> None:
    """Raise `TaskError` if the loss of the first batch is NaN or infinite, naming the first thing that is.

    Args:
        loss: of the batch, before any step.
        objective: what gave it.
        batch: the batch, to run again; it may be changed.
        where: the task, for people.
    """
    if bool(torch.isfinite(loss)):
        return
    raise TaskError(f"{where}: the loss is {loss.item()} {BEFORE}; {_cause(objective, batch)}")


def _cause(objective: nn.Module, batch: Any) -> str:
    model = objective.model
    assert isinstance(model, nn.Module)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            return f"{name!r} of the model starts with a {_example(tensor)}. Give it finite initial values."
    found: list[str] = []
    outputs: list[torch.Tensor] = []
    twin = _watched(objective, found, outputs)
    try:
        with isolated(0), torch.no_grad():
            twin(batch)
    except Exception:  # a step that differentiates needs gradients to be recorded; the loss is then all that is known
        found.clear()
    if found:
        return f"{found[0]}. Look there for a division by zero, the log or root of zero, or an overflow."
    if outputs:
        low, high = (f"{float(bound):.3g}" for bound in outputs[-1].aminmax())
        return (
            f"the model's output is finite ({low} to {high}), so it comes from the loss. Look for the log, root or division of zero there."
        )
    return "look for a division by zero, the log or root of zero, or an overflow."


def _watched(objective: nn.Module, found: list[str], outputs: list[torch.Tensor]) -> nn.Module:
    """A copy of the objective that notes its first module with finite inputs and another output, and the model's outputs."""
    try:
        twin = copy.deepcopy(objective)
    except Exception:  # a user's module may hold what cannot be copied; the check builds it anew anyway
        twin = objective
    assert isinstance(twin.model, nn.Module)
    for name, module in twin.model.named_modules():
        module.register_forward_hook(_note(name, found, outputs))
    return twin


def _note(name: str, found: list[str], outputs: list[torch.Tensor]) -> Callable[..., None]:
    def note(module: nn.Module, given: Any, output: Any) -> None:
        leaves = [leaf for leaf in _pytree.tree_leaves(output) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]
        bad = next((leaf for leaf in leaves if not bool(torch.isfinite(leaf).all())), None)
        if bad is not None:
            place = f"its {name} ({type(module).__name__})" if name else f"the model {type(module).__name__}"
            found.append(f"{place} is the first whose output holds a {_example(bad)}")
        elif not name:
            outputs.extend(leaf for leaf in leaves if leaf.numel())

    return note


def _example(tensor: torch.Tensor) -> str:
    bad = tensor.detach()[~torch.isfinite(tensor)]
    return f"{bad[0].item()} ({len(bad)} of {tensor.numel()} numbers)"
