"""Operations that torch cannot stack, written out in ones that it can: same numbers to rounding, same random draws."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import _VF, Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from ravine.fleet import recurrent

Function = Callable[..., Any]


def _dropout(function: Function, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """One lane alone draws its mask in the order of memory, which a transposed input may have; a stack would forget it."""
    if not training or inplace or not 0 < p < 1:
        return function(x, p, training, inplace)
    order = sorted(range(x.ndim), key=lambda dim: (x.stride(dim), x.shape[dim]))
    strides, step = [0] * x.ndim, 1
    for dim in order:
        strides[dim], step = step, step * x.shape[dim]
    noise = torch.empty_strided(x.shape, strides, dtype=x.dtype, device=x.device).bernoulli_(1 - p).div_(1 - p)
    return x * noise


def _weight_norm(function: Function, v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    others = [axis for axis in range(v.ndim) if dim == -1 or axis != dim]
    norm = torch.linalg.vector_norm(v, dim=others, keepdim=dim != -1)
    return torch.mul(v, g / norm)


def _normalize(function: Function, x: Tensor, *settings: Any, out: Tensor | None = None, **named: Any) -> Any:
    return function(x, *settings, **named) if out is None else out.copy_(function(x, *settings, **named))


def _embedding_bag(function: Function, x: Tensor, weight: Tensor, offsets: Tensor | None = None, *settings: Any, **named: Any) -> Any:
    mode = named.get("mode", settings[3] if len(settings) > 3 else "mean")
    is_plain = x.ndim == 2 and offsets is None and not any(settings[i] for i in (0, 2, 4) if i < len(settings))
    weights = named.get("per_sample_weights", settings[5] if len(settings) > 5 else None)
    padding = named.get("padding_idx", settings[7] if len(settings) > 7 else None)
    if not is_plain or mode not in ("sum", "mean") or padding is not None or named.get("max_norm") or named.get("sparse"):
        return function(x, weight, offsets, *settings, **named)
    rows = F.embedding(x, weight)
    if weights is not None:
        rows = rows * weights.unsqueeze(-1)
    return rows.sum(1) if mode == "sum" else rows.mean(1)


def _householder_product(function: Function, a: Tensor, tau: Tensor) -> Any:
    """Reflector after reflector; beyond some hundreds of them torch's own is better, though it takes one lane at a time."""
    if a.ndim > 2 or tau.shape[0] > 256:
        return function(a, tau)
    start = torch.eye(*a.shape, dtype=a.dtype, device=a.device)
    vectors, product = a.tril(-1) + start, start
    for index in reversed(range(tau.shape[0])):
        v = vectors[:, index : index + 1]
        product = product - tau[index] * v @ (v.mT @ product)
    return product


def _plain(substitute: Function) -> Function:
    return lambda function, *args, **kwargs: substitute(*args, **kwargs)


_SUBSTITUTES: dict[Any, Function] = {
    F.dropout: _dropout,
    F.normalize: _normalize,
    F.embedding_bag: _embedding_bag,
    torch._weight_norm: _weight_norm,
    torch.linalg.householder_product: _householder_product,
    _VF._pack_padded_sequence: _plain(recurrent.pack),
    _VF._pad_packed_sequence: _plain(recurrent.pad),
    **{
        getattr(_VF, name): _plain(getattr(recurrent, name))
        for name in ("gru", "lstm", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
    },
}


@final
class _Substituted(TorchFunctionMode):
    def __torch_function__(
        self, func: Function, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        substitute = _SUBSTITUTES.get(func)
        return func(*args, **(kwargs or {})) if substitute is None else substitute(func, *args, **(kwargs or {}))


@contextmanager
def stackable_operations() -> Iterator[None]:
    """A context in which a module's forward runs in operations that `vmap` has rules for.

    Attention is written out by torch itself: its fused form for CPUs has no rule, and this choice reaches where a
    function mode does not, into torch's own layers.
    """
    with sdpa_kernel(SDPBackend.MATH), _Substituted():
        yield
