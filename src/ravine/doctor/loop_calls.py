"""What a model was called with last: the batch, for when something breaks. Its hooks are run at every step, so they do next to nothing."""

from collections.abc import Callable, Iterable
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.doctor.looking import Given
from ravine.doctor.sampling import spread


@final
class Calls:
    """Remembers the last call of each module that is called from outside.

    Args:
        root: the module whose parts are attended.
        own: the user's own, which is called again in place of a compiled one; None where nothing is compiled.
        device: type of the model's device.
    """

    def __init__(self, root: nn.Module, own: nn.Module | None, device: str) -> None:
        self._root, self._own, self._device = root, own, device
        self._held: dict[str, tuple[Any, Any, torch.dtype | None]] = {}
        self._handles: list[Any] = []

    def attend(self, entrances: Iterable[str]) -> None:
        """From now on, remember what these modules are called with, and no others."""
        self.close()
        for name in entrances:
            module = self._root.get_submodule(name)
            self._handles.append(module.register_forward_pre_hook(self._entering(name), with_kwargs=True))

    def close(self) -> None:
        """Take every hook away and forget the calls; a second call does nothing."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._held.clear()

    @property
    def names(self) -> list[str]:
        """Of the modules that were called, in order."""
        return list(self._held)

    @property
    def mark(self) -> int | None:
        """The same for the same numbers in what they were called with last; None where that has none."""
        leaves = [leaf for args, kwargs, _ in self._held.values() for leaf in pytree.tree_leaves((args, dict(kwargs)))]
        marks = tuple(_mark(leaf) for leaf in leaves if type(leaf) is Tensor and leaf.layout is torch.strided and leaf.numel())
        return hash(marks) if marks else None

    def last(self) -> list[tuple[nn.Module, Given]]:
        """Modules, and what each was called with last."""
        return [
            (self._own if self._own is not None else self._root.get_submodule(name), Given(args, kwargs, self._device, dtype))
            for name, (args, kwargs, dtype) in self._held.items()
        ]

    def _entering(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        held, device = self._held, self._device

        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            if torch.is_grad_enabled() and not torch.compiler.is_compiling():
                held[name] = args, kwargs, torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None

        return enter


def _mark(tensor: Tensor) -> int:
    numbers = spread(tensor).reshape(-1).contiguous().view(torch.uint8)
    return hash((tuple(tensor.shape), tensor.dtype, numbers.cpu().numpy().tobytes()))
