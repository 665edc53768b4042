"""Loss, gradients and metrics of many copies of a model at once, by `torch.func`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad_and_value, vmap

from ravine.fleet.stacking import Stack
from ravine.fleet.substitutes import stackable_operations
from ravine.tasks.functional import functional_call

StackedGradient = Callable[[Stack, Stack, Any], tuple[Stack, Tensor, Stack]]
"""(parameters, buffers, batch) -> (gradients, loss_L, buffers after the forward pass)."""


def stacked_gradient(objective: nn.Module, *, shared_batch: bool) -> StackedGradient:
    """Gradients of every lane's own loss; no lane sees another.

    Random draws (dropout) are the same in every lane of the call, which therefore must hold lanes of one seed:
    that is what "same seed, same dropout stream, whatever the optimiser" means.

    Args:
        objective: maps a batch to a scalar loss.
        shared_batch: whether all lanes read the same batch, or the batch's leaves have a leading lane dimension.
    """

    def one_lane(parameters: Stack, buffers: Stack, batch: Any) -> tuple[Tensor, Stack]:
        after = {name: buffer.clone() for name, buffer in buffers.items()}
        with stackable_operations():
            return functional_call(objective, {**parameters, **after}, (batch,)), after

    batched = vmap(grad_and_value(one_lane, has_aux=True), in_dims=(0, 0, None if shared_batch else 0), randomness="same")

    def gradient(parameters: Stack, buffers: Stack, batch: Any) -> tuple[Stack, Tensor, Stack]:
        gradients, (loss, after) = batched(parameters, buffers, batch)
        return gradients, loss, after

    return gradient


def stacked_metrics(objective: nn.Module) -> Callable[[Stack, Stack, Any], dict[str, Tensor]]:
    """Loss and metrics of every lane on one shared batch: name -> (L,)."""

    def one_lane(parameters: Stack, buffers: Stack, batch: Any) -> dict[str, Tensor]:
        with stackable_operations():
            values: dict[str, Tensor] = functional_call(objective, {**parameters, **buffers}, (batch,), {"evaluate": True})
        return values

    return vmap(one_lane, in_dims=(0, 0, None), randomness="same")


def single_gradient(
    objective: nn.Module, parameters: list[nn.Parameter], batch: Any, *, accumulate: bool = False
) -> tuple[list[Tensor | None], Tensor]:
    """Gradients and loss of one module by ordinary autograd; parameters that the loss does not use have None.

    Args:
        objective: maps a batch to a scalar loss.
        parameters: what to differentiate by.
        batch: one batch.
        accumulate: go through `.grad`, as `loss.backward()` does, for hooks that wait for it. Gradients are taken
            out of `.grad` again.
    """
    with torch.enable_grad():
        loss = objective(batch)
    if not accumulate:
        return list(torch.autograd.grad(loss, parameters, allow_unused=True)), loss.detach()
    for p in parameters:
        p.grad = None
    loss.backward()
    gradients = [p.grad for p in parameters]
    for p in parameters:
        p.grad = None
    return gradients, loss.detach()
