"""Whether a task gives the same numbers twice: what draws from a stream that nothing seeds would make lanes incomparable."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree

from ravine.base.errors import TaskError
from ravine.tasks._randomness import isolated

REMEDY = "Draw it from the global streams of torch, numpy or random, which are seeded for every lane."


def check_factory(model: nn.Module, again: nn.Module, other: nn.Module, where: str) -> None:
    """Raise `TaskError` unless a factory repeats itself.

    Args:
        model: a module of the factory.
        again: another of the same seed.
        other: another of another seed.
        where: the task, for people.
    """
    ours = _tensors(model)
    for theirs, is_same_seed in ((_tensors(again), True), (_tensors(other), False)):
        place = "when called again under the same seed" if is_same_seed else "under another seed"
        if ours.keys() != theirs.keys():
            name = next(iter(ours.keys() ^ theirs.keys()))
            remedy = "The structure of a model must not depend on the call or on chance."
            raise TaskError(f"{where}: model() gave a module with other parameters or buffers {place} ({name!r} is in one only). {remedy}")
        for name, tensor in ours.items():
            found = theirs[name]
            if (tensor.shape, tensor.dtype) != (found.shape, found.dtype):
                given = f"{_form(tensor)} and {_form(found)}"
                raise TaskError(
                    f"{where}: model() gave another {name!r} {place}: {given}. Shapes and dtypes must be the same at every call."
                )
            if is_same_seed and not torch.allclose(tensor, found, rtol=0.0, atol=0.0, equal_nan=True):
                raise TaskError(f"{where}: model() gave another {name!r} {place}. {REMEDY}")


def check_run(make: Callable[[], nn.Module], batch: Callable[[], Any], *, evaluate: bool, where: str) -> None:
    """Raise `TaskError` unless two runs of an objective on one batch, from equal random streams, give the same loss.

    Args:
        make: builds the objective (model and loss) anew, under one seed.
        batch: gives a fresh copy of one batch.
        evaluate: run it as in evaluation.
        where: the task, for people.
    """
    first, second = make(), make()
    if _equal(_loss(first, batch(), evaluate), _loss(second, batch(), evaluate)):
        return
    raise TaskError(
        f"{where}: {_unsteady_part(make, batch, evaluate)} gave another number when run again from the same weights, on the same batch, "
        f"under the same seed: it draws numbers, or the factory drew them, where nothing seeds them. {REMEDY}"
    )


def _unsteady_part(make: Callable[[], nn.Module], batch: Callable[[], Any], evaluate: bool) -> str:
    """Where two runs part: the first module that gives something else for the same input, or the loss."""
    calls: list[list[tuple[str, Any, Any]]] = []
    for _ in range(2):
        objective, made = make(), list[tuple[str, Any, Any]]()
        model = objective.model
        assert isinstance(model, nn.Module)
        for name, module in model.named_modules():
            module.register_forward_hook(_note(made, name))
        _loss(objective, batch(), evaluate)
        calls.append(made)
    for (name, given, left), (_, taken, right) in zip(*calls, strict=False):
        if _equal(given, taken) and not _equal(left, right):
            return f"the forward of the model's {name}" if name else "the model's forward"
    return "the loss"


def _note(calls: list[tuple[str, Any, Any]], name: str) -> Callable[..., None]:
    return lambda module, given, output: calls.append((name, _pytree.tree_map(_kept, given), _pytree.tree_map(_kept, output)))


def _kept(leaf: Any) -> Any:
    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf


def _loss(objective: nn.Module, batch: Any, evaluate: bool) -> Any:
    objective.train(not evaluate)
    with isolated(0), torch.enable_grad():
        return objective(batch).detach()


def _equal(left: Any, right: Any) -> bool:
    pairs = zip(_pytree.tree_leaves(left), _pytree.tree_leaves(right), strict=False)
    return all(_same(a, b) for a, b in pairs if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor))


def _same(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.shape != right.shape:
        return False
    # Two runs on one machine have the same bits, except where torch adds up in several threads.
    rounding = 16 * torch.finfo(left.dtype).eps if left.is_floating_point() else 0.0
    return torch.allclose(left, right, rtol=rounding, atol=0.0, equal_nan=True)


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _form(tensor: torch.Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
