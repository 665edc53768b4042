"""Precision: in what numbers a training computes, and how gradients in float16 are kept from vanishing.

    fp32        everything in float32 (the reference)
    bf16        products in bfloat16 (autocast); weights, gradients and reductions in float32
    fp16        products in float16 (autocast), the loss scaled so that small gradients do not vanish
    pure_bf16   weights and gradients in bfloat16 too; outputs in float32 for the loss, the optimizer's arithmetic in
                float32, and its weights kept as `weights` says (a float32 master, or rounded by chance)

A step whose float16 gradients overflow is left out: no optimizer, schedule or average counts it, only the scale halves.

References:
    Micikevicius et al. (2018), Mixed precision training, arXiv:1710.03740: master weights and loss scaling.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError

NAMES = ("fp32", "bf16", "fp16", "pure_bf16")
"""What there is; "auto" is resolved by `automatic`."""

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check(name: str) -> str:
    """Return `name`, or say why there is no such precision.

    Raises:
        InputError: it is one of 8 bits.
        UnknownNameError: it is none at all.
    """
    if name.replace("_", "").startswith(("fp8", "float8")):
        needed = "it would need a GPU with float8 products (Hopper, MI300 or newer) and a scale kept for every tensor"
        raise InputError(f"precision={name!r}: {needed}, which ravine does not do. Use 'bf16'.", given=name)
    if name not in NAMES:
        raise unknown_name("precision", name, ["auto", *NAMES])
    return name


def automatic(device: torch.device) -> str:
    """bf16 where the hardware computes in it, else fp32; on a CPU fp32, where bf16 is rarely the faster one."""
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


class Precision:
    """One way of computing, and the loss scale where it has one.

    Args:
        name: one of `NAMES`.
        device: where the model is.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self.name, self._device = check(name), device
        self._dtype = _AUTOCAST.get(name)
        self._scaler = torch.amp.GradScaler(device.type) if name == "fp16" else None
        self._hooks: list[Any] = []

    def prepare(self, model: nn.Module) -> None:
        """Bring a model to the dtype of its weights."""
        if self.name != "pure_bf16":
            return
        model.to(torch.bfloat16)
        for parameter in model.parameters():
            # Sums over micro-batches in float32; the optimizer's arithmetic begins there anyway.
            parameter.grad_dtype = torch.float32
        # Hooks, not a module around it, so that names of parameters stay.
        self._hooks = [
            model.register_forward_pre_hook(_narrowed, with_kwargs=True),
            model.register_forward_hook(_widened),
        ]

    def release(self) -> None:
        """Leave the model as an ordinary one in its dtype."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def forward(self) -> AbstractContextManager[Any]:
        """A block for forward passes."""
        return nullcontext() if self._dtype is None else torch.autocast(self._device.type, self._dtype)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss, scaled where there is a scale."""
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients at their true size again, before they are clipped."""
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)

    def is_skipped(self, is_finite: bool) -> bool:
        """Whether the step is to be left out; the scale is adapted to how the gradients came out."""
        if self._scaler is None:
            return False
        self._scaler.update()
        return not is_finite

    @property
    def scale(self) -> float | None:
        """The loss scale; None where there is none."""
        return None if self._scaler is None else self._scaler.get_scale()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON values."""
        return {} if self._scaler is None else self._scaler.state_dict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        if self._scaler is not None:
            self._scaler.load_state_dict(dict(state))


def _narrowed(module: nn.Module, args: Any, kwargs: Any) -> Any:
    del module
    return pytree.tree_map(lambda leaf: _as(leaf, torch.bfloat16), (args, kwargs))


def _widened(module: nn.Module, args: Any, output: Any) -> Any:
    del module, args
    return pytree.tree_map(lambda leaf: _as(leaf, torch.float32), output)


def _as(leaf: Any, dtype: torch.dtype) -> Any:
    return leaf.to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf
