"""A rule's native update of one block of a lane's parameters, called step after step."""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from ravine.fleet.blocks import Block
from ravine.fleet.native import UpdateFunction, pointers, scratch


@final
class BlockUpdate:
    """Proposes a block's next values and slots, in memory that is used again for each step.

    Args:
        function: of the rule, for parameters laid end to end.
        block: its storage stays where it is; its slots may be exchanged for those that were proposed.
        num_scalars: of the rule.
    """

    def __init__(self, function: UpdateFunction, block: Block, num_scalars: int) -> None:
        self._function, self.block = function, block
        self._gradient, self._value = torch.empty_like(block.storage), torch.empty_like(block.storage)
        # Side 0 is the block's until a step is taken over, side 1 from then on, and so forth.
        self._sides = dict(block.slots), {symbol: torch.empty_like(slot) for symbol, slot in block.slots.items()}
        self._wrong = torch.zeros((), dtype=block.storage.dtype)
        self._scalars = np.zeros(num_scalars, dtype=self._wrong.numpy().dtype)
        self._places = [self._scalars.ctypes.data + at * self._scalars.itemsize for at in range(num_scalars)]
        self._scratch, self._place = scratch(function.scratch_bytes)

    def propose(self, gradients: Sequence[Tensor], scalars: Sequence[float]) -> tuple[Tensor, Mapping[str, Tensor], float]:
        """Values and slots after a step, which hold until the next call, and a number that is 0 if the values are finite, else NaN.

        Args:
            gradients: of the block's parameters.
            scalars: of the rule.
        """
        block = self.block
        torch.cat([g.reshape(-1) for g in gradients], out=self._gradient)
        self._scalars[:] = scalars
        own = block.slots.values()
        spare = self._sides[all(slot is first for slot, first in zip(own, self._sides[0].values(), strict=True))]
        inputs = pointers([block.storage, self._gradient, *own, *self._places])
        self._function.enter(block.storage.numel(), inputs, pointers([self._value, *spare.values(), self._wrong]), self._place)
        return self._value, spare, float(self._wrong)
