"""What a training loop is made of, told from the model and the optimizers that it hands over."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ravine.base.errors import InputError
from ravine.doctor.loop_log import Decay, LoopLog
from ravine.tasks.kinds import parameter_kinds

SCALING = ("Adam", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta")
"""Optimizers that take decay for a part of the gradient, and divide by its size."""


def optimizers_of(given: Any) -> list[torch.optim.Optimizer]:
    """The optimizers whose steps are taken, freed of what accelerate puts around them.

    Raises:
        InputError: it is none.
    """
    listed = list(given) if isinstance(given, Sequence) else [given]
    found = [getattr(one, "optimizer", one) for one in listed]
    if not found or not all(isinstance(one, torch.optim.Optimizer) for one in found):
        raise InputError(f"optimizer={type(given).__name__}: must be a torch.optim.Optimizer, or a list of them.", given=given)
    return found


def checked(model: Any) -> nn.Module:
    """A model with something to train.

    Raises:
        InputError: it is none.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model={type(model).__name__}: must be a torch.nn.Module. Give the model that is trained.", given=model)
    if not any(p.requires_grad for p in model.parameters()):
        given = f"model={type(model).__name__} has no parameter that requires gradients"
        raise InputError(f"{given}: there is nothing to watch. Set requires_grad = True on what is to be trained.", given=model)
    return model


def around(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that torch.compile and DistributedDataParallel put around the user's own, and that one."""
    yield model
    inner = getattr(model, "_orig_mod", None) or (model.module if isinstance(model, nn.parallel.DistributedDataParallel) else None)
    if isinstance(inner, nn.Module):
        yield from around(inner)


def processes(model: nn.Module) -> int:
    """Over how many processes gradients are averaged."""
    is_shared = any(isinstance(part, nn.parallel.DistributedDataParallel) for part in around(model))
    return torch.distributed.get_world_size() if is_shared and torch.distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the process that writes."""
    return not (torch.distributed.is_available() and torch.distributed.is_initialized()) or torch.distributed.get_rank() == 0


def begun(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> tuple[dict[str, nn.Parameter], LoopLog]:
    """The parameters that can be trained, by name, and the log of a run that has not begun."""
    params = {name: p for name, p in model.named_parameters() if p.requires_grad}
    kinds: dict[str, str] = dict(parameter_kinds(model))
    log = LoopLog(tuple(params), kinds, strangers(params, optimizers), tuple(_decayed(params, optimizers)))
    log.half = any(p.dtype == torch.float16 for p in params.values())
    log.decays = dict(_decays(params, optimizers))
    return params, log


def strangers(params: Mapping[str, nn.Parameter], optimizers: Sequence[torch.optim.Optimizer]) -> tuple[str, ...]:
    """Parameters that no optimizer has."""
    own = {id(p) for one in optimizers for p in stepped(params, one)}
    return tuple(name for name, p in params.items() if id(p) not in own)


def stepped(params: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Parameters that an optimizer has."""
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return [p for p in params.values() if id(p) in own]


def _decayed(params: Mapping[str, nn.Parameter], optimizers: Sequence[torch.optim.Optimizer]) -> Iterator[str]:
    """Parameters of one dimension in a group that decays, beside matrices that do."""
    names = {id(p): name for name, p in params.items()}
    groups = [group for one in optimizers for group in one.param_groups if group.get("weight_decay")]
    for group in groups:
        if any(p.ndim > 1 for p in group["params"]):
            yield from (names[id(p)] for p in group["params"] if p.ndim < 2 and id(p) in names)


def _decays(params: Mapping[str, nn.Parameter], optimizers: Sequence[torch.optim.Optimizer]) -> Iterator[tuple[str, Decay]]:
    """Parameters that decay, and how."""
    names = {id(p): name for name, p in params.items()}
    for optimizer, group in ((one, group) for one in optimizers for group in one.param_groups):
        kind, strength = type(optimizer).__name__, float(group.get("weight_decay") or 0.0)
        is_scaled = kind in SCALING and not group.get("decoupled_weight_decay")
        yield from ((names[id(p)], Decay(strength, kind, is_scaled)) for p in group["params"] if strength and id(p) in names)


def peak_rate(optimizers: Sequence[torch.optim.Optimizer]) -> float | None:
    """The highest rate that a schedule has in mind, as far as it leaves that in its groups."""
    groups = [group for one in optimizers for group in one.param_groups]
    found = [group.get("max_lr", group.get("initial_lr")) for group in groups]
    known = [float(value) for value in found if value is not None]
    return max(known, default=None)


def highest_rate(optimizers: Sequence[torch.optim.Optimizer]) -> float:
    """Of all groups, now."""
    return max((float(group["lr"]) for one in optimizers for group in one.param_groups if "lr" in group), default=float("nan"))


def has_closure(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call of `optimizer.step`, whose first argument is the optimizer, comes with a closure."""
    return bool(kwargs.get("closure")) or (len(args) > 1 and args[1] is not None)


def are_final(optimizer: torch.optim.Optimizer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call of `optimizer.step` takes gradients as they are: it asks for no others, and takes no scale off."""
    return not has_closure(args, kwargs) and getattr(optimizer, "grad_scale", None) is None


def number(name: str, value: Any) -> float:
    """A single number as a float.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, Tensor) and value.numel() != 1:
        raise InputError(f"{name} has shape {tuple(value.shape)}: must be a single number. Take its mean.", given=value)
    try:
        return float(value.item() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError):
        raise InputError(f"{name}={value!r}: must be a number, or a tensor of one.", given=value) from None
