"""One look into a model: a forward and backward pass on given tensors, and what every module made of them.

Weights, buffers, modes, gradients, random streams and hooks are afterwards what they were, bit for bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.doctor.operations import Doubtful, Operations, Unit, first_tensor
from ravine.fleet.data import duplicate
from ravine.tasks._randomness import isolated


@dataclass(frozen=True, slots=True)
class Activation:
    """What a module without children gave.

    Attributes:
        name: of the module.
        kind: its class.
        is_kernel: whether it has a weight of two or more dimensions.
        mean_abs: mean absolute value.
        variance: over rows, averaged over everything else: what is left of the differences between inputs.
    """

    name: str
    kind: str
    is_kernel: bool
    mean_abs: float
    variance: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look showed.

    Attributes:
        loss: of the batch.
        activations: in the order of the forward.
        units: of every activation function, in that order.
        gradients: name -> norm; None where the loss does not use the parameter.
        smallest: share of the gradients' non-zero numbers that float16 holds as zero.
        broken: the first place in the forward, then in the backward, where a number was not finite; empty if there is none.
        doubtful: operations that made numbers not finite from finite ones, or summed in half precision.
        not_training: modules that were not in training mode after the forward, of a model that was put into it.
    """

    loss: float
    activations: tuple[Activation, ...]
    units: tuple[Unit, ...]
    gradients: dict[str, float | None]
    smallest: float
    broken: str
    doubtful: tuple[Doubtful, ...]
    not_training: tuple[str, ...]


@dataclass(slots=True)
class _Notes:
    activations: list[Activation] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)


COLUMNS = 1024
"""Columns, about, of an output that its variance over rows is taken of, evenly spread over it."""
HALF_TINY = 2.0**-25
"""Magnitudes up to it become zero in float16 (half of the smallest subnormal number)."""


def probe(objective: nn.Module, batch: Any, *, is_training: bool = True, seed: int = 0) -> Reading:
    """Run an objective forwards and backwards on a batch and look at everything on the way.

    Args:
        objective: maps a batch to a loss; its submodule `model` is looked into where it has one, else all of it.
        batch: copied.
        is_training: in which mode.
        seed: of the random streams.
    """
    model = getattr(objective, "model", objective)
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with untouched(objective), isolated(seed), torch.enable_grad():
        objective.train(is_training)
        notes, operations = _Notes(), Operations()
        with _hooks(model, notes, operations), operations:
            loss = objective(duplicate(batch))
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True) if loss.requires_grad else [None] * len(named)
        dozing = tuple(name for name, module in model.named_modules() if name and is_training and not module.training)
    gradients = {name: None if g is None else float(g.detach().float().norm()) for name, g in zip(named, found, strict=True)}
    broken = next(iter([*notes.forward, *notes.backward]), "") or _broken_gradient(gradients)
    units, doubtful = tuple(operations.units), tuple(operations.doubtful)
    return Reading(float(loss.detach()), tuple(notes.activations), units, gradients, _lost(found), broken, doubtful, dozing)


@contextmanager
def untouched(module: nn.Module) -> Iterator[None]:
    """Give a module its weights, buffers and modes back after the block."""
    modes = {part: part.training for part in module.modules()}
    buffers = {part: dict(part._buffers) for part in module.modules()}
    held = [(tensor, tensor.detach().clone()) for tensor in (*module.parameters(), *module.buffers())]
    try:
        yield
    finally:
        for part, is_training in modes.items():
            part.training = is_training
        for part, own in buffers.items():
            part._buffers = own
        with torch.no_grad():
            for tensor, old in held:
                tensor.copy_(old)


@contextmanager
def _hooks(model: nn.Module, notes: _Notes, operations: Operations) -> Iterator[None]:
    handles = []
    for name, module in model.named_modules():
        handles += [module.register_forward_pre_hook(_entering(name, module, operations))]
        handles += [module.register_forward_hook(_leaving(name, notes, operations))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _entering(name: str, module: nn.Module, operations: Operations) -> Any:
    def enter(part: nn.Module, given: Any) -> None:
        operations.enter(described(name, module))

    return enter


def _leaving(name: str, notes: _Notes, operations: Operations) -> Any:
    def leave(module: nn.Module, given: Any, output: Any) -> None:
        operations.leave()
        with operations.paused():
            tensor = first_tensor(output)
            if tensor is None:
                return
            place = described(name, module)
            if not bool(torch.isfinite(tensor).all()) and _is_finite(given):
                notes.forward.append(f"the output of {place}")
            if tensor.requires_grad:
                tensor.register_hook(_watching(place, notes))  # type: ignore[no-untyped-call]  # torch leaves it untyped
            if not any(True for _ in module.children()):
                notes.activations.append(activation(name, module, tensor.detach()))

    return leave


def _watching(place: str, notes: _Notes) -> Any:
    def look(gradient: Tensor) -> None:
        if not bool(torch.isfinite(gradient).all()):
            notes.backward.append(f"the gradient of the output of {place}")

    return look


def activation(name: str, module: nn.Module, tensor: Tensor) -> Activation:
    """What a module gave, summed up."""
    values = tensor.float()
    mean_abs = float(torch.linalg.vector_norm(values, ord=1)) / values.numel() if values.numel() else 0.0
    is_kernel = any(p is not None and p.ndim > 1 for p in module._parameters.values())
    return Activation(name, type(module).__name__, is_kernel, mean_abs, _variance(values))


def _variance(values: Tensor) -> float:
    if values.ndim == 0 or len(values) < 2 or not values.numel():
        return 0.0
    rows = values.reshape(len(values), -1)
    if rows.shape[1] > COLUMNS:
        # An odd distance, which meets every feature of a width that is a power of two.
        rows = rows[:, :: (rows.shape[1] // COLUMNS) | 1]
    # torch.var along the first dimension is slower than this by an order of magnitude.
    return float(torch.linalg.vector_norm(rows - rows.mean(0))) ** 2 / rows.numel()


def described(name: str, module: nn.Module) -> str:
    """A module for people."""
    return f"{name} ({type(module).__name__})" if name else f"the model ({type(module).__name__})"


def _is_finite(tree: Any) -> bool:
    leaves = (leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point())
    return all(bool(torch.isfinite(leaf).all()) for leaf in leaves)


def _broken_gradient(gradients: dict[str, float | None]) -> str:
    bad = next((name for name, norm in gradients.items() if norm is not None and not norm < float("inf")), "")
    return f"the gradient of the parameter {bad}" if bad else ""


def _lost(gradients: Any) -> float:
    """Share of the non-zero numbers of gradients that vanish in float16."""
    lost = total = 0
    for gradient in gradients:
        if gradient is not None:
            sizes = gradient.detach().abs()
            lost, total = lost + int(((sizes > 0) & (sizes < HALF_TINY)).sum()), total + int((sizes > 0).sum())
    return lost / total if total else 0.0
