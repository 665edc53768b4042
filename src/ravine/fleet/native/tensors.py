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
"""Of one field of a piece: value, gradient, slots and results of a rule with two slots then fill a first cache of 32 KiB.
Float32 pieces are whole blocks of 8-bit state."""

WHOLE = 1 << 40
"""Elements of a piece where nothing limits it."""

CODES: Mapping[torch.dtype, int] = {torch.int8: 1, torch.uint8: 2}
"""How the driver calls 8-bit codes."""


@functools.cache
def _run() -> Any:
    function = driver_build().library.ravine_update
    places, numbers = [ctypes.c_void_p] * 4, [ctypes.c_long] * 4
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_long, *places, *numbers, *[ctypes.c_void_p] * 7], ctypes.c_long
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
        self._symbols, self._names = [slot.symbol for slot in rule.active_slots], list(scalars)
        self._scalars = np.zeros(len(self._names), dtype=np.float32 if dtype == torch.float32 else np.float64)
        self._piece = PIECE_BYTES // dtype.itemsize
        self._results = torch.zeros((1 + len(self._symbols), self._piece), dtype=dtype)
        self._wrong = torch.zeros((), dtype=dtype)
        self._opened = torch.zeros((self._fields, self._piece), dtype=dtype)
        places = [self._scalars.ctypes.data + at * self._scalars.itemsize for at in range(len(self._names))]
        self._in = pointers([0] * self._fields + places)
        self._out = pointers([*self._results, self._wrong])
        self._function, self._is_direct = self._choose(rule, dtype)
        self._scratch, self._place = scratch(self._function.scratch_bytes)
        self._kernels = ctypes.cast(kernel_table(dtype), ctypes.c_void_p) if self._function.calls else None

    def _choose(self, rule: Rule, dtype: torch.dtype) -> tuple[UpdateFunction, bool]:
        """The function that writes where it reads, if it gives the same numbers so; else one that must not."""
        apart = UpdateFunction(rule, self._names, (), dtype)
        apart.check()
        try:
            direct = UpdateFunction(rule, self._names, (), dtype, in_place=True)
        except Unsupported:
            return apart, False
        generator = torch.Generator().manual_seed(0)
        given = [0.1 + torch.rand(301, generator=generator, dtype=dtype) for _ in range(self._fields)]
        self._scalars[:] = 0.1 + 0.8 * np.random.default_rng(0).random(len(self._names))
        places = pointers([self._scalars.ctypes.data + at * self._scalars.itemsize for at in range(len(self._names))])
        results = []
        for function, outputs in ((apart, [torch.empty_like(given[0]) for _ in range(self._fields - 1)]), (direct, [given[0], *given[2:]])):
            _, place = kept = scratch(function.scratch_bytes)
            inputs = pointers([*given, *places])
            function.enter(301, inputs, pointers([*outputs, self._wrong]), place)
            results.append(outputs)
            del kept
        return (direct, True) if all(torch.equal(a, b) for a, b in zip(*results, strict=True)) else (apart, False)

    @property
    def _fields(self) -> int:
        return 2 + len(self._symbols)

    def step(
        self,
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        states: Sequence[Mapping[str, Tensor]],
        scalars: Mapping[str, Any],
        scales: Sequence[Mapping[str, Tensor]] = (),
    ) -> bool:
        """Change parameters and slots in place.

        Args:
            params: on the CPU, of this dtype, each dense: every element of its memory once.
            grads: laid out in memory as the parameters.
            states: slots by symbol, laid out as the parameters; beside float32 parameters also 8-bit codes of whole blocks.
            scalars: of the rule; numbers or tensors of one element.
            scales: for each parameter, those of the slots in 8 bits; may be left out where there are none.

        Returns:
            Whether all new values are finite.
        """
        self._scalars[:] = [float(scalars[name]) for name in self._names]
        symbols, count = self._symbols, len(params)
        sizes = (ctypes.c_long * max(1, count))(*[p.numel() for p in params])
        fields = list[Tensor]()
        for p, g, state in zip(params, grads, states, strict=True):
            fields += p, g, *[state[symbol] for symbol in symbols]
        kinds, places, piece = bytes(len(fields)), (ctypes.c_void_p * len(fields))(), WHOLE if self._is_direct else self._piece
        if any(scales):
            piece = self._piece
            kinds = bytes([CODES.get(field.dtype, 0) for field in fields])
            places = pointers([0 if s not in own else own[s].data_ptr() for own in scales for s in ("", "", *symbols)])
        given = self._function.address, count, sizes, pointers(fields), kinds, places, self._fields, self._scalars.itemsize, piece
        memory = self._results.data_ptr(), self._opened.data_ptr(), self._wrong.data_ptr()
        return not _run()(*given, self._is_direct, self._in, self._out, *memory, self._place, self._kernels)
