"""What a model's forward does besides returning a loss: random draws, writes, state of its own, hooks."""

import hashlib
import pickle
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ravine.fleet.data import duplicate
from ravine.tasks import Task
from ravine.tasks._randomness import isolated

_OWN_ATTRIBUTES = frozenset(nn.Module().__dict__)


def draws(module: nn.Module, batch: Any) -> tuple[bool, bool]:
    """Whether a forward moves torch's random streams, and whether it moves Python's or numpy's."""
    with isolated(0), torch.enable_grad():
        before = _streams(batch)
        module(duplicate(batch))
        after = _streams(batch)
    return any(not torch.equal(old, new) for old, new in zip(before[0], after[0], strict=True)), before[1] != after[1]


def writes_input(module: nn.Module, batch: Any) -> bool:
    """Whether a forward, in either mode, writes into the batch's tensors."""
    for mode in (True, False):
        given = duplicate(batch)
        leaves = pytree.tree_leaves(given)
        with isolated(0), torch.enable_grad():
            module.train(mode)(given, **({} if mode else {"evaluate": True}))
        for leaf, old in zip(leaves, pytree.tree_leaves(batch), strict=True):
            # The counter tells of writes that change nothing here, the values of those that bypass it.
            if leaf._version or _digest(leaf) != _digest(old):
                return True
    return False


def written_parameter(module: nn.Module, batch: Any) -> str:
    """Name of a parameter that a training forward writes into, as an embedding with `max_norm` does; empty if none."""
    before = {name: (p._version, _digest(p)) for name, p in module.named_parameters()}
    with isolated(0), torch.enable_grad():
        module.train()(duplicate(batch))
    return next((name for name, p in module.named_parameters() if (p._version, _digest(p)) != before[name]), "")


def coarsest_dtype(module: nn.Module, batch: Any) -> torch.dtype:
    """The least precise floating dtype in which a training forward computes something."""
    mode = _Dtypes()
    try:
        with isolated(0), torch.enable_grad(), mode:
            module.train()(duplicate(batch))
    except Exception:  # not every module runs under a dispatch mode; what is known of it then are its parameters
        mode.found |= {p.dtype for p in module.parameters() if p.is_floating_point()}
    return max(mode.found, key=lambda dtype: torch.finfo(dtype).eps, default=torch.float64)


@final
class _Dtypes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.found |= {leaf.dtype for leaf in pytree.tree_leaves(out) if isinstance(leaf, Tensor) and leaf.is_floating_point()}
        return out


def evaluates_with_gradients(module: nn.Module, batch: Any) -> bool:
    """Whether an evaluation works only while gradients are recorded, as one that calls `torch.autograd.grad`."""
    module.eval()
    with isolated(0):
        for recorded in (False, True):
            try:
                with torch.set_grad_enabled(recorded):
                    module(duplicate(batch), evaluate=True)
            except RuntimeError:
                continue
            return recorded
    return False


def backward_hook(module: nn.Module) -> str:
    """Name of a parameter or submodule with a hook on the backward pass; empty if there is none."""
    for name, p in module.named_parameters():
        if p._backward_hooks or accumulate_hooks(p):
            return f"parameter {name}"
    return next((f"module {name}" for name, part in module.named_modules() if part._backward_hooks or part._backward_pre_hooks), "")


def accumulate_hooks(parameter: nn.Parameter) -> bool:
    """Whether something is to run when a parameter's `.grad` has been written."""
    return bool(getattr(parameter, "_post_accumulate_grad_hooks", None))


def changed_attribute(copy: Callable[[], nn.Module], batches: Sequence[Any]) -> str:
    """Name of an attribute that training forwards change and that a stack could not keep for each lane.

    Buffers written in place are kept for each lane; buffers replaced by another tensor are not. A tensor that the
    first forward makes, that later ones keep and that is the same for other weights and data is a cache and does no
    harm.

    Args:
        copy: gives a fresh copy of the model.
        batches: different batches of one shape.
    """
    module, cached = copy().train(), {}
    for turn in range(3):
        before, buffers = _attributes(module), dict(module.named_buffers())
        with isolated(turn), torch.enable_grad():
            module(duplicate(batches[turn % len(batches)]))
        for name, (digest, is_tensor) in _attributes(module).items():
            if before.get(name, (None, False))[0] == digest:
                continue
            if turn or not is_tensor:
                return name
            cached[name] = digest
        for name, buffer in module.named_buffers():
            if buffers.get(name) is not buffer:
                return name
    return _varying(copy, batches[-1], cached) if cached else ""


def held_attributes(module: nn.Module) -> dict[str, Any]:
    """Digests of everything a module and its parts hold besides parameters and buffers, by name; None for what cannot be told."""
    return {name: digest for name, (digest, _) in _attributes(module).items()}


def _streams(batch: Any) -> tuple[list[Tensor], bytes]:
    devices = {leaf.device for leaf in pytree.tree_leaves(batch)}
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in devices if device.type == "cuda")]
    return states, pickle.dumps((random.getstate(), np.random.get_state()))  # noqa: NPY002 - what a user's forward draws from


def _varying(copy: Callable[[], nn.Module], batch: Any, cached: Mapping[str, Any]) -> str:
    module = copy().train()
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(1.25)
    with isolated(1), torch.enable_grad():
        module(duplicate(batch))
    found = _attributes(module)
    return next((name for name, digest in cached.items() if found[name][0] != digest), "")


def _attributes(module: nn.Module) -> dict[str, tuple[Any, bool]]:
    """Digests of everything a module and its parts hold besides parameters and buffers, and whether it is tensors only."""
    return {
        f"{prefix}.{name}" if prefix else name: (_digest(value), _is_tensor(value))
        for prefix, part in module.named_modules()
        for name, value in part.__dict__.items()
        if name not in _OWN_ATTRIBUTES and not isinstance(value, Task | nn.Module)
    }


def _is_tensor(value: Any) -> bool:
    leaves = pytree.tree_leaves(value)
    return bool(leaves) and all(isinstance(leaf, Tensor) for leaf in leaves)


def _digest(value: Any) -> Any:
    """Something equal as long as the value is; None for what cannot be told."""
    try:
        if isinstance(value, Tensor):
            raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return value.dtype, value.shape, hashlib.blake2b(raw.tobytes()).digest()
        if isinstance(value, torch.Generator):
            return _digest(value.get_state())
        if isinstance(value, dict):
            return [(repr(key), _digest(item)) for key, item in value.items()]
        if isinstance(value, list | tuple):
            return [_digest(item) for item in value]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pickle.dumps(value)
    except Exception:  # users keep anything in their modules
        return None
