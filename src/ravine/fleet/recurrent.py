"""Recurrent layers under `vmap`: step by step in plain operations.

torch's fused GRU, LSTM and RNN have no batching rule outside a gradient, and its LSTM a slow substitute within one.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, final

import torch
from torch import _VF, nn
from torch.overrides import TorchFunctionMode

_OPERATORS: dict[Any, Any] = {getattr(_VF, name): getattr(torch.ops.aten, name).input for name in ("gru", "lstm", "rnn_tanh", "rnn_relu")}

_TRAIN, _DROPOUT = 6, 5
"""Positions of two arguments that all four operators share."""


@final
class _WrittenOut(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        operator = _OPERATORS.get(func)
        # torch 2.13's written-out forms forget the dropout between layers; within a gradient the fused call draws it.
        if operator is not None and not (args[_DROPOUT] and args[_TRAIN]):
            return operator.decompose(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def written_out(module: nn.Module) -> Callable[[], AbstractContextManager[Any]]:
    """A context in which recurrent layers run step by step in plain operations; one without effect if the module has none."""
    if not any(isinstance(part, nn.RNNBase) for part in module.modules()):
        return nullcontext
    # Importing the module is what registers the written-out forms.
    import torch._decomp.decompositions  # noqa: F401, PLC0415 - a second of imports that other models do not pay

    return _WrittenOut
