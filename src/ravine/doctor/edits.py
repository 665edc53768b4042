"""Whether something else than the optimizer changes weights, at next to no cost: values are compared only after a first suspicion."""

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

SUSPICION = 64
"""Steps for which values are kept after a tensor was written to between two steps."""
CHANGED = 1e-3
"""Relative change from which a weight has been edited; averages that are swapped in and back again may round."""


@final
class Edits:
    """Follows one small parameter from the end of a step to the begin of the next.

    Args:
        params: of the model.
    """

    def __init__(self, params: Sequence[nn.Parameter]) -> None:
        plain = [p for p in params if type(p) is nn.Parameter and p.device.type == "cpu" and p.requires_grad]
        self._param = min(plain, key=lambda p: p.numel(), default=None)
        self._mark: tuple[int, int] | None = None
        self._kept: Tensor | None = None
        self._left = 0

    def mark(self) -> None:
        """A step has been taken."""
        p = self._param
        if p is None:
            return
        self._mark = p._version, p.data_ptr()
        self._kept = p.detach().clone() if self._left else None
        self._left = max(0, self._left - 1)

    def found(self) -> bool:
        """Whether the parameter holds other values than the last step left, as the next is about to be taken."""
        p = self._param
        if p is None or self._mark is None or self._mark == (p._version, p.data_ptr()):
            return False
        self._mark, self._left = None, SUSPICION
        return self._kept is not None and is_edited(self._kept, p.detach())


def is_edited(old: Tensor, new: Tensor) -> bool:
    """Whether values differ by more than rounding."""
    if old.shape != new.shape:
        return True
    return bool((new - old).float().norm() > CHANGED * old.float().norm())
