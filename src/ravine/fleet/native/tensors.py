"""One step of an element rule over many tensors in place: one native call, whatever their number."""

import ctypes
import functools
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ravine.fleet.native.functions import UpdateFunction, driver_build, kernel_table, pointers, scratch
from ravine.fleet.native.values import Unsupported
from ravine.rules import Rule

PIECE_BYTES = 4096
"""Of one field of a piece: value, gradient, slots and results of a rule with two slots then fill a first cache of 32 KiB."""


@functools.cache
def _run() -> Any:
    function = driver_build().library.ravine_update
    places, numbers = [ctypes.c_void_p] * 2, [ctypes.c_long] * 3
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_long, *places, *numbers, *[ctypes.c_void_p] * 5], ctypes.c_long
    return function


@final
class TensorsUpdate:
    """The update of one rule, built and checked when it is made.

    Args:
        rule: an element rule with its flags.
        scalars: names of its scalars.
        dtype: float32 or float64.

    Raises:
        Unsupported: there is no native code for it here, with the reason.
    """

    def __init__(self, rule: Rule, scalars: Sequence[str], dtype: torch.dtype) -> None:
        if rule.granularity != "element" or dtype not in (torch.float32, torch.float64):
            raise Unsupported(f"{rule.name} on {str(dtype).removeprefix('torch.')}")
        self._function = UpdateFunction(rule, scalars, (), dtype)
        self._function.check()
        self._symbols, self._names = [slot.symbol for slot in rule.active_slots], list(scalars)
        self._scalars = np.zeros(len(self._names), dtype=np.float32 if dtype == torch.float32 else np.float64)
        self._piece = PIECE_BYTES // dtype.itemsize
        self._results = torch.zeros((1 + len(self._symbols), self._piece), dtype=dtype)
        self._wrong = torch.zeros((), dtype=dtype)
        places = [self._scalars.ctypes.data + at * self._scalars.itemsize for at in range(len(self._names))]
        self._in = pointers([0] * self._fields + places)
        self._out = pointers([*self._results, self._wrong])
        self._scratch, self._place = scratch(self._function.scratch_bytes)
        self._kernels = ctypes.cast(kernel_table(dtype), ctypes.c_void_p) if self._function.calls else None

    @property
    def _fields(self) -> int:
        return 2 + len(self._symbols)

    def step(
        self, params: Sequence[Tensor], grads: Sequence[Tensor], states: Sequence[Mapping[str, Tensor]], scalars: Mapping[str, Any]
    ) -> bool:
        """Change parameters and slots in place.

        Args:
            params: on the CPU, of this dtype, each dense: every element of its memory once.
            grads: laid out in memory as the parameters.
            states: slots by symbol, laid out as the parameters.
            scalars: of the rule; numbers or tensors of one element.

        Returns:
            Whether all new values are finite.
        """
        self._scalars[:] = [float(scalars[name]) for name in self._names]
        sizes = (ctypes.c_long * max(1, len(params)))(*(p.numel() for p in params))
        fields = [
            t for p, g, state in zip(params, grads, states, strict=True) for t in (p, g, *(state[symbol] for symbol in self._symbols))
        ]
        given = self._function.address, len(params), sizes, pointers(fields), self._fields, params[0].element_size() if params else 4
        return not _run()(*given, self._piece, self._in, self._out, self._wrong.data_ptr(), self._place, self._kernels)
