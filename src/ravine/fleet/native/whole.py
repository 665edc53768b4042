"""A phase of a rule's step over many tensors in place: a native function for each shape, all run by one call."""

import ctypes
import functools
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ravine.fleet.agreement import TOLERANCE, UPDATE_TOLERANCE, is_close
from ravine.fleet.native.builds import Build
from ravine.fleet.native.functions import pointers, scratch
from ravine.fleet.native.phases import SLOTS, VALUE, Phase, PhaseFunction
from ravine.fleet.native.program import ALIGNMENT
from ravine.fleet.native.toolchain import compiler
from ravine.fleet.native.values import Unsupported
from ravine.rules import Rule

MOST_SHAPES = 64
"""Shapes for which a phase has code: each takes about half a second of a compiler, once on a machine."""

PIECE = 4096
"""Elements of a row that are summed in the tensors' own type; the sums of pieces are added up in double."""

WHOLE = 1 << 40
"""Elements of a piece where nothing limits it."""

MOST_TERMS = 16
"""Sums that a rule may ask for."""

MOST_CHECKED = 1 << 20
"""Elements of the largest tensor that a function is checked on. Where shapes are larger, a smaller one like it is built and checked."""


@functools.cache
def _driver() -> Build:
    return Build((Path(__file__).parent / "whole.cpp").read_text(encoding="utf-8"))


@functools.cache
def _run() -> Any:
    function = _driver().library.ravine_phase
    place, number = ctypes.c_void_p, ctypes.c_long
    function.argtypes, function.restype = [number, *[place] * 3, *[number] * 3, *[place] * 7], None
    return function


class _Form(ctypes.Structure):
    """`Form` of whole.cpp."""

    _fields_ = (
        ("function", ctypes.c_void_p),
        ("piece", ctypes.c_long),
        ("outputs", ctypes.c_long),
        ("field", ctypes.c_void_p),
        ("spare", ctypes.c_void_p),
        ("bytes", ctypes.c_void_p),
        ("is_row", ctypes.c_void_p),
    )


@final
class _Shape:
    """A function with what the driver must know of its shape.

    Attributes:
        place: of its form in memory.
        spare_bytes: memory for outputs that cannot be written where they are read.
    """

    def __init__(self, function: PhaseFunction) -> None:
        self.function = function
        count, size = len(function.changed), function.dtype.itemsize
        is_row = function.rows[VALUE]
        # A number that all pieces read stays as it was until the last of them.
        apart = {field for field in function.changed if field not in function.shared or (is_row and not function.rows[field])}
        self.piece = PIECE if is_row and (function.terms or any(function.rows[field] for field in apart)) else WHOLE
        whole = [math.prod(function.shapes[field]) * size for field in function.changed]
        spare, self.spare_bytes = [-1] * count, 0
        for number, field in enumerate(function.changed):
            if field in apart:
                spare[number] = self.spare_bytes
                wanted = self.piece * size if function.rows[field] else whole[number]
                self.spare_bytes += -(-wanted // ALIGNMENT) * ALIGNMENT
        longs = ctypes.c_long * max(1, count)
        self._kept = longs(*function.changed), longs(*spare), longs(*whole), (ctypes.c_uint8 * len(function.rows))(*function.rows)
        places = [ctypes.addressof(array) for array in self._kept]
        self._form = _Form(function.address, self.piece, count, *places)
        self.place = ctypes.addressof(self._form)


@final
class WholePhase:
    """One phase of one rule's step.

    Args:
        rule: with its flags.
        phase: which method of the rule.
        scalars: names of what the method finds in `c`.
        dtype: float32 or float64.

    Attributes:
        is_idle: whether the phase does nothing at all.

    Raises:
        Unsupported: there is no native code for it, with the reason.
    """

    def __init__(self, rule: Rule, phase: Phase, scalars: Sequence[str], dtype: torch.dtype) -> None:
        if rule.granularity == "matrix" or dtype not in TOLERANCE:
            raise Unsupported(f"{rule.name} on {str(dtype).removeprefix('torch.')}")
        if compiler() is None:
            raise Unsupported("no C++ compiler was found")
        self.rule, self.is_flat = rule, rule.granularity == "element"
        self._phase, self._names, self._dtype = phase, list(scalars), dtype
        self._shapes: dict[tuple[int, ...], _Shape | Unsupported] = {}
        self._scalars = np.zeros(max(1, len(self._names)), dtype=np.float32 if dtype == torch.float32 else np.float64)
        self._fields = SLOTS + len(rule.active_slots)
        places = [self._scalars.ctypes.data + at * self._scalars.itemsize for at in range(len(self._names))]
        self._in, self._out = pointers([0] * self._fields + places), pointers([0] * (self._fields + MOST_TERMS))
        self._memory, self._kernels = (scratch(0), scratch(0)), ctypes.c_void_p()
        self._alone = threading.Lock()
        self.is_idle = phase == "measure" and all(map(self._measures_nothing, [(), (2,), (2, 2)]))

    def forms(self, shapes: Sequence[tuple[int, ...]]) -> np.ndarray:
        """For each shape, what `run` needs of its code, and 0 where there is none; it is built and checked when it is first asked for.

        Raises:
            Unsupported: more shapes than a phase has code for.
        """
        keys = list(map(self._key, shapes))
        new = set(keys) - self._shapes.keys()
        if new:
            if len(set(keys)) > MOST_SHAPES:
                raise Unsupported(f"the tensors have more than {MOST_SHAPES} shapes")
            with self._alone:
                self._add(new - self._shapes.keys())
        found = [self._shapes[key] for key in keys]
        return np.array([shape.place if isinstance(shape, _Shape) else 0 for shape in found], dtype=np.int64)

    def run(self, places: "Places", forms: np.ndarray, scalars: Mapping[str, Any]) -> dict[str, float]:
        """Change values and slots in place, and return the sums of the terms over all tensors.

        Args:
            places: of the tensors, with their gradients.
            forms: of their shapes, none of them 0.
            scalars: numbers or tensors of one element.
        """
        known = next((own.function.terms for own in self._shapes.values() if isinstance(own, _Shape)), ())
        # The native call lets other threads of Python run, and what it works in is this object's.
        with self._alone:
            return self._run(places, forms, scalars, known)

    def _run(self, places: "Places", forms: np.ndarray, scalars: Mapping[str, Any], terms: Sequence[str]) -> dict[str, float]:
        values, totals = (ctypes.c_double * max(1, len(terms)))(), (ctypes.c_double * max(1, len(terms)))()
        with np.errstate(over="ignore"):
            self._scalars[: len(self._names)] = [float(scalars[name]) for name in self._names]
        (_, spare), (_, own) = self._memory
        given = places.count, forms.ctypes.data, *places.addresses, self._fields, len(terms), self._scalars.itemsize
        _run()(*given, self._in, self._out, values, totals, spare, own, self._kernels)
        return dict(zip(terms, totals, strict=False))

    def _key(self, shape: Sequence[int]) -> tuple[int, ...]:
        return () if self.is_flat else tuple(shape)

    def _add(self, new: Iterable[tuple[int, ...]]) -> None:
        """Build functions for shapes, all at the same time, and check them."""
        made = {shape: self._made(shape) for shape in sorted(new)}
        twins = {shape: self._made(smaller(shape)) for shape in made if smaller(shape) != shape and not self.is_flat}
        functions = [function for function in (*made.values(), *twins.values()) if isinstance(function, PhaseFunction)]
        for build in (_driver(), *(function.build for function in functions)):
            build.begin()
        for shape, function in made.items():
            self._shapes[shape] = self._checked(shape, function, twins.get(shape, function))

    def _made(self, shape: tuple[int, ...]) -> PhaseFunction | Unsupported:
        try:
            return PhaseFunction(self.rule, self._phase, self._names, None if self.is_flat else shape, self._dtype)
        except Unsupported as error:
            return error
        except MemoryError:
            raise
        except Exception as error:  # a rule's text may do anything: torch takes its step, and says so if it cannot
            return Unsupported(f"its native code failed ({type(error).__name__}: {error})")

    def _checked(
        self, shape: tuple[int, ...], function: PhaseFunction | Unsupported, twin: PhaseFunction | Unsupported
    ) -> "_Shape | Unsupported":
        """What is known of a shape: its function once it is built and checked, or why there is none."""
        if isinstance(function, Unsupported):
            return function
        if isinstance(twin, Unsupported):
            return twin
        known = next((own.function for own in self._shapes.values() if isinstance(own, _Shape)), function)
        if not function.changed and not function.terms:
            return Unsupported(f"{self.rule.name} does nothing there")
        if function.terms != known.terms or len(function.terms) > MOST_TERMS:
            return Unsupported(f"{self.rule.name} measures other things of other shapes")
        try:
            own, other = _Shape(function), _Shape(twin)
            self._reserve(own)
            self._reserve(other)
            self._check((PIECE + 301,) if self.is_flat else smaller(shape), other)
        except Unsupported as error:
            return error
        return own

    def _measures_nothing(self, shape: tuple[int, ...]) -> bool:
        stand_ins = [torch.empty(own, device="meta") for own in (shape, shape, *(slot.shape_for(shape) for slot in self.rule.active_slots))]
        symbols = [slot.symbol for slot in self.rule.active_slots]
        own = SimpleNamespace(**dict(zip(symbols, stand_ins[SLOTS:], strict=True)))
        scalars = SimpleNamespace(**{name: torch.empty((), device="meta") for name in self._names})
        try:
            return self.rule.measure(stand_ins[0], stand_ins[1], own, scalars) == ({}, {})
        except Exception:  # whatever it wants, it does something
            return False

    def _reserve(self, shape: _Shape) -> None:
        """Memory for the largest shape, for all of them in turn."""
        sizes = shape.spare_bytes, shape.function.scratch_bytes
        kept = zip(sizes, self._memory, strict=True)
        spare, own = (old if size + ALIGNMENT <= old[0].numel() else scratch(size) for size, old in kept)
        self._memory = spare, own
        if shape.function.kernels:
            self._kernels = ctypes.c_void_p(shape.function.kernels)

    def _check(self, shape: tuple[int, ...], own: _Shape) -> None:
        """Compare with the rule's text run by torch, on numbers of the usual size."""
        generator = torch.Generator().manual_seed(0)
        symbols = [slot.symbol for slot in self.rule.active_slots]
        shapes = [shape, shape, *(slot.shape_for(shape) for slot in self.rule.active_slots)]
        fields = [0.1 + torch.rand(part, generator=generator, dtype=self._dtype) for part in shapes]
        numbers = {name: 0.1 + 0.8 * torch.rand((), generator=generator, dtype=self._dtype) for name in self._names}
        p, g, *slots = (field.clone() for field in fields)
        s = SimpleNamespace(**dict(zip(symbols, slots, strict=True)))
        places = Places(fields[:1], [fields[SLOTS:]])
        places.point([fields[1]])
        c = SimpleNamespace(**numbers)
        first, state = getattr(self.rule, self._phase)(p, g, s, c)
        terms = first if self._phase == "measure" else {}
        after = [p if terms or self._phase == "measure" else p + first, g, *(state.get(x, y) for x, y in zip(symbols, slots, strict=True))]
        limit = UPDATE_TOLERANCE[self._dtype]
        totals = self._run(places, np.array([own.place], dtype=np.int64), numbers, own.function.terms)
        same = all(is_close(mine, other, 0.0, limit) for mine, other in zip(fields, after, strict=True))
        sums = [torch.tensor(total, dtype=torch.float64) for total in totals.values()]
        if not (same and all(is_close(mine, other.double(), 0.0, limit) for mine, other in zip(sums, terms.values(), strict=True))):
            raise Unsupported(f"native code of {self.rule.name} gave other numbers than torch")


def smaller(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape of as many dimensions that has no more elements than are checked; the shape itself where that is so."""
    lengths = list(shape)
    while math.prod(lengths) > MOST_CHECKED:
        longest = lengths.index(max(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    return tuple(lengths)


@final
class Places:
    """Where the fields of tensors lie.

    Args:
        params: on the CPU, of one dtype, none of them empty, contiguous; for a rule that works element by element, dense.
        slots: of each, in the rule's order: those of its shape laid out as it is, others contiguous.
    """

    def __init__(self, params: Sequence[Tensor], slots: Sequence[Sequence[Tensor]]) -> None:
        self.count = len(params)
        rows = [[p.data_ptr(), 0, *(slot.data_ptr() for slot in own)] for p, own in zip(params, slots, strict=True)]
        self._fields = np.array(rows, dtype=np.int64)
        self._sizes = np.array([p.numel() for p in params], dtype=np.int64)
        self.addresses = self._sizes.ctypes.data, self._fields.ctypes.data

    def point(self, grads: Iterable[Tensor]) -> None:
        """Take gradients from here on, laid out as the parameters; they must outlive the next `run`."""
        self._fields[:, 1] = np.fromiter(map(Tensor.data_ptr, grads), dtype=np.int64, count=self.count)
