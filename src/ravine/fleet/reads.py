"""Where Python takes a value out of a tensor that depends on chance, or on parameters, buffers and the batch.

A step that does so is no fixed sequence of tensor operations: stacked, one draw would decide for every lane; traced
once, one batch for every step.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ravine.fleet.data import duplicate
from ravine.tasks._randomness import isolated

_aten = torch.ops.aten

_EXPORTS = {getattr(Tensor, name) for name in ("numpy", "tolist", "__array__", "__dlpack__", "data_ptr")}
"""Ways out of torch that reach no operator."""


def first_read(module: nn.Module, batch: Any, *, chance_only: bool = False) -> str:
    """Name of the first operation of a training step, backward pass included, by which Python reads such a value.

    Values of constants, such as the length of a mask, are no matter. Empty if nothing is read.

    Args:
        module: a fresh objective, used up.
        batch: one training batch.
        chance_only: look for values that random draws decide, and no others.
    """
    given = duplicate(batch)
    parameters = tuple(p for p in module.parameters() if p.requires_grad)
    watch = _Watch([] if chance_only else [*module.parameters(), *module.buffers(), *pytree.tree_leaves(given)])
    with isolated(0), torch.enable_grad(), _Exports(watch), watch:
        loss = module.train()(given)
        # Both public ways into the engine are overridable and would run it without the mode that sees exports (torch 2.13).
        torch.autograd.graph._engine_run_backward(
            (loss,), (torch.ones_like(loss),), False, False, parameters, allow_unreachable=True, accumulate_grad=False
        )
    return watch.found


@final
class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Follows which memory depends on the roots or on random draws, operator by operator."""

    def __init__(self, roots: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = ""
        self._dependent = {_memory(root) for root in roots}

    def depends(self, tree: Any) -> bool:
        """Whether a tensor of a tree does."""
        return any(_memory(leaf) in self._dependent for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor))

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        settings = kwargs or {}
        # A constant enters by lift_fresh, in memory that something else may have left.
        depends = func is not _aten.lift_fresh.default and self.depends((args, settings))
        if depends and not self.found and _reads(func, args):
            self.found = str(func.overloadpacket)
        depends = depends or torch.Tag.nondeterministic_seeded in func.tags
        out = func(*args, **settings)
        written = (args, settings) if func._schema.is_mutable else ()
        memory = {_memory(leaf) for leaf in pytree.tree_leaves((out, written)) if isinstance(leaf, Tensor)}
        if depends:
            self._dependent |= memory
        else:
            self._dependent -= memory
        return out


@final
class _Exports(TorchFunctionMode):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in _EXPORTS and not self._watch.found and self._watch.depends(args):
            self._watch.found = func.__name__
        return func(*args, **(kwargs or {}))


def _reads(func: Any, args: tuple[Any, ...]) -> bool:
    if func is _aten.index.Tensor:
        return any(part is not None and part.dtype in (torch.bool, torch.uint8) for part in args[1])
    if func is _aten._pack_padded_sequence.default:
        return True
    return torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
