"""One step of an element rule over many tensors in place: one native call, whatever their number."""

import ctypes
import functools
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ravine.fleet.native.builds import Build
from ravine.fleet.native.functions import UpdateFunction, pointers, scratch
from ravine.fleet.native.structures import Desk, Update
from ravine.fleet.native.values import Unsupported
from ravine.rules import Rule

PIECE_BYTES = 4096
"""Of one field of a piece: value, gradient, slots and results of a rule with two slots then fill a first cache of 32 KiB.
Float32 pieces are whole blocks of 8-bit state."""

WORTH_A_THREAD = 1 << 18
"""Elements for which another of torch's threads is used."""

WHOLE = 1 << 40
"""Elements of a piece where nothing limits it."""

CODES: Mapping[torch.dtype, int] = {torch.int8: 1, torch.uint8: 2}
"""How the driver calls 8-bit codes."""


@functools.cache
def _library() -> ctypes.CDLL:
    library = Build((Path(__file__).parent / "tensors.cpp").read_text(encoding="utf-8")).library
    library.ravine_update.argtypes = [ctypes.POINTER(Update), ctypes.POINTER(Desk), ctypes.c_long]
    library.ravine_update.restype = ctypes.c_long
    library.ravine_count.argtypes, library.ravine_count.restype = [ctypes.c_void_p, ctypes.c_long, ctypes.c_float], ctypes.c_float
    return library


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
        self._dtype, self._desks, self._kept = dtype, (Desk * 0)(), list[Any]()
        self._function, self._is_direct = self._choose(rule, dtype)
        self._kernels = self._function.kernels
        self._alone = threading.Lock()

    def _desk(self) -> Desk:
        """Memory for one more thread."""
        results = torch.zeros((1 + len(self._symbols), self._piece), dtype=self._dtype)
        wrong, opened = torch.zeros((), dtype=self._dtype), torch.zeros((self._fields, self._piece), dtype=self._dtype)
        given, taken = pointers([0] * self._fields + self._numbers()), pointers([*results, wrong])
        memory, place = scratch(self._function.scratch_bytes)
        self._kept += [results, wrong, opened, given, taken, memory]
        arrays = ctypes.addressof(given), ctypes.addressof(taken)
        return Desk(*arrays, results.data_ptr(), opened.data_ptr(), wrong.data_ptr(), place)

    def _numbers(self) -> list[int]:
        """Where the scalars lie."""
        return [self._scalars.ctypes.data + at * self._scalars.itemsize for at in range(len(self._names))]

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
        wrong, results = torch.zeros((), dtype=dtype), list[list[Tensor]]()
        for function, outputs in ((apart, [torch.empty_like(given[0]) for _ in range(self._fields - 1)]), (direct, [given[0], *given[2:]])):
            _, place = kept = scratch(function.scratch_bytes)
            inputs = pointers([*given, *self._numbers()])
            function.enter(301, inputs, pointers([*outputs, wrong]), place)
            results.append(outputs)
            del kept
        return (direct, True) if all(torch.equal(a, b) for a, b in zip(*results, strict=True)) else (apart, False)

    @property
    def _fields(self) -> int:
        return 2 + len(self._symbols)

    def bind(
        self, params: Sequence[Tensor], states: Sequence[Mapping[str, Tensor]], scales: Sequence[Mapping[str, Tensor]] = ()
    ) -> "Bound":
        """The update of these parameters, for as long as they and their slots stay where they are.

        Args:
            params: on the CPU, of this dtype, each dense: every element of its memory once.
            states: slots by symbol, laid out as the parameters; beside float32 parameters also 8-bit codes of whole blocks.
            scales: for each parameter, those of the slots in 8 bits; may be left out where there are none.
        """
        return Bound(self, params, states, scales)

    def run(self, bound: "Bound", scalars: Mapping[str, Any]) -> bool:
        """Change parameters and slots in place, with the gradients that were last pointed to.

        Args:
            bound: the parameters.
            scalars: of the rule; numbers or tensors of one element.

        Returns:
            Whether all new values are finite.
        """
        piece = self._piece if bound.has_codes or not self._is_direct else WHOLE
        threads = max(1, min(torch.get_num_threads(), bound.elements // WORTH_A_THREAD))
        sizes = self._fields, self._scalars.itemsize, piece, self._is_direct
        update = Update(self._function.address, bound.count, *bound.places, *sizes, self._kernels)
        numbers = [float(scalars[name]) for name in self._names]
        # The native call lets other threads of Python run, and what it works in is this object's.
        with self._alone:
            if len(self._desks) < threads:
                self._desks = (Desk * threads)(*self._desks, *(self._desk() for _ in range(threads - len(self._desks))))
            self._scalars[:] = numbers
            return not _library().ravine_update(update, self._desks, threads)

    def step(
        self,
        params: Sequence[Tensor],
        grads: Sequence[Tensor],
        states: Sequence[Mapping[str, Tensor]],
        scalars: Mapping[str, Any],
        scales: Sequence[Mapping[str, Tensor]] = (),
    ) -> bool:
        """`bind` and `run` once, with gradients that are laid out in memory as the parameters."""
        bound = self.bind(params, states, scales)
        bound.point(grads)
        return self.run(bound, scalars)

    @property
    def symbols(self) -> Sequence[str]:
        """Of the slots, in their order."""
        return self._symbols


@final
class Bound:
    """Where parameters, slots and scales lie.

    Args:
        update: of what.
        params, states, scales: see `TensorsUpdate.bind`.
    """

    def __init__(
        self,
        update: TensorsUpdate,
        params: Sequence[Tensor],
        states: Sequence[Mapping[str, Tensor]],
        scales: Sequence[Mapping[str, Tensor]],
    ) -> None:
        self.count, symbols = len(params), update.symbols
        slots = [[state[symbol] for symbol in symbols] for state in states]
        rows = [[p.data_ptr(), 0, *(slot.data_ptr() for slot in own)] for p, own in zip(params, slots, strict=True)]
        self._fields = np.array(rows, dtype=np.int64).reshape(self.count, 2 + len(symbols))
        self._sizes = np.array([p.numel() for p in params], dtype=np.int64)
        self.elements = int(self._sizes.sum())
        self.has_codes = any(scales)
        self._kinds, self._scales = np.zeros(self._fields.shape, dtype=np.uint8), np.zeros(self._fields.shape, dtype=np.int64)
        if self.has_codes:
            self._kinds[:, 2:] = [[CODES.get(slot.dtype, 0) for slot in own] for own in slots]
            self._scales[:, 2:] = [[own[symbol].data_ptr() if symbol in own else 0 for symbol in symbols] for own in scales]
        arrays = self._sizes, self._fields, self._kinds, self._scales
        self.places = tuple(array.ctypes.data for array in arrays)

    def point(self, grads: Iterable[Tensor]) -> None:
        """Take gradients from here on, laid out in memory as the parameters; they must outlive the next `run`."""
        self._fields[:, 1] = np.fromiter(map(Tensor.data_ptr, grads), dtype=np.int64, count=self.count)


@final
class StepCounts:
    """Step counts of many parameters, each a float32 number of its own.

    Args:
        counts: on the CPU; they must stay where they are.
    """

    def __init__(self, counts: Sequence[Tensor]) -> None:
        self._places = np.array([count.data_ptr() for count in counts], dtype=np.int64)

    def add(self, number: float) -> float:
        """Add a number to each of them, and say what all of them are now; NaN where they differ."""
        return float(_library().ravine_count(self._places.ctypes.data, len(self._places), number))
