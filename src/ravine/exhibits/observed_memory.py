"""What a drop-in optimiser really holds after a step, counted by the storages of its tensors."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ravine.base.errors import InputError
from ravine.exhibits.memory import MATRIX, PRECISIONS, Plan
from ravine.optim import create

_BESIDE = ("master", "compensation")


def observed(plan: Plan, shape: tuple[int, int] = MATRIX) -> dict[str, int]:
    """Make a weight and its gradient, take a step, and count.

    Args:
        plan: on one process.
        shape: of the weight.

    Returns:
        component -> bytes. Autocast's copies, which a bare weight does not have, are not among them.

    Raises:
        InputError: ZeRO, which takes several processes.

    Example:
        >>> observed(Plan("lion"), (64, 64))
        {'parameters': 16384, 'gradients': 16384, 'state': 16388}
    """
    if plan.zero:
        raise InputError(f"zero={plan.zero}: one process is observed, which divides nothing. Leave it out.", given=plan.zero)
    weight, optimizer = stepped(plan, shape)
    state = optimizer.state[weight]
    assert weight.grad is not None
    parts = {
        "parameters": _bytes([weight.detach()]),
        "gradients": _bytes([weight.grad]),
        "master": _bytes(value for key, value in state.items() if key in _BESIDE),
        "state": _bytes(value for key, value in state.items() if isinstance(value, Tensor) and key not in _BESIDE),
    }
    return {name: value for name, value in parts.items() if value}


def stepped(plan: Plan, shape: tuple[int, int] = MATRIX) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    """A weight with its gradient, and the drop-in optimizer that has moved it once."""
    kind = PRECISIONS[plan.precision]
    weight = nn.Parameter(torch.full(shape, 0.5, dtype=torch.bfloat16 if kind.is_narrow else torch.float32))
    if kind.gradient > kind.weight:
        weight.grad_dtype = torch.float32
    weight.grad = torch.full(shape, 0.25, dtype=torch.float32 if kind.gradient > 2 else torch.bfloat16)
    optimizer = create(plan.optimizer, [weight], **plan.storage)
    optimizer.step()
    return weight, optimizer


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors, each storage once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())
