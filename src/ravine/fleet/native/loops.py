"""Loop nests: what is stored or reduced over one iteration space, and how nests are merged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import torch

from ravine.fleet.native.values import ZERO, Body, Buffer, Index, Indices, Memory, Pointwise, Value, c_type, variable, walk

Kind = Literal["store", "sum", "max", "min", "any"]

SHORT = 16
"""Length of an innermost loop below which what is costly is better computed in a flat loop of its own."""


@dataclass(eq=False, slots=True)
class Store:
    """One result of a loop nest: a value written element by element, or reduced over some dimensions.

    Attributes:
        value: what is evaluated, over the whole iteration space (dimensions of length one apart).
        target: where it goes; for a reduction, of the value's shape with reduced dimensions of length one.
        kind: how.
    """

    value: Value
    target: Memory
    kind: Kind = "store"


def compact(shape: Sequence[int]) -> tuple[int, ...]:
    """The dimensions of a shape that a loop is needed for."""
    return tuple(length for length in shape if length != 1)


def loop_indices(shape: Sequence[int]) -> Indices:
    """The index of a value of `shape` inside a nest over `compact(shape)`."""
    result, number = [], 0
    for length in shape:
        result.append(ZERO if length == 1 else variable(number))
        number += length != 1
    return tuple(result)


def is_costly(value: Value) -> bool:
    """Whether computing a value calls elementary functions."""
    return any(isinstance(part, Pointwise) and part.is_costly for part in walk(value))


class Statement:
    """Something that reads and writes buffers."""

    reads: set[Buffer]
    writes: set[Buffer]


@final
class Call(Statement):
    """A call of a precompiled kernel, or any other block of text.

    Args:
        text: C++ text of the block; buffers stand in it under their names.
        reads: buffers read.
        writes: buffers written.
        scratch: bytes of kernel scratch memory, as C++ text of an expression is not known here: a callable gives it.
    """

    def __init__(self, text: str, reads: Sequence[Buffer], writes: Sequence[Buffer], scratch: Callable[[Any], int] | None = None) -> None:
        self.text, self.reads, self.writes, self.scratch = text, set(reads), set(writes), scratch


@final
class Loop(Statement):
    """A nest over one iteration space."""

    def __init__(self, store: Store) -> None:
        self.space = compact(store.value.shape)
        self.reduced = reduced_dimensions(store)
        self.stores = [store]
        self._addresses: set[tuple[Buffer, Index]] = set()
        self.reads: set[Buffer] = set()
        self.writes: set[Buffer] = set()
        self._add(store)

    def _add(self, store: Store) -> None:
        recorder = Recorder()
        store.value.at(recorder, loop_indices(store.value.shape))
        self._addresses |= recorder.loads
        self.reads |= {buffer for buffer, _ in recorder.loads} | recorder.tables
        self.writes.add(store.target.buffer)

    def accepts(self, store: Store, *, after: Sequence[Statement]) -> bool:
        """Whether `store` may become part of this nest, though it comes `after` other statements.

        It must run over the same space, read nothing that is written in between, and read what this nest writes only at
        the very element that was just written.
        """
        if self.space != compact(store.value.shape):
            return False
        reduced = reduced_dimensions(store)
        if store.kind != "store" and self.reduced and reduced != self.reduced:
            return False
        if self._splits_rows(store):
            return False
        recorder = Recorder()
        store.value.at(recorder, loop_indices(store.value.shape))
        touched = {buffer for buffer, _ in recorder.loads} | recorder.tables
        if any(touched & other.writes or store.target.buffer in other.reads | other.writes for other in after):
            return False
        if store.target.buffer in self.reads | self.writes or touched & recorder.tables & self.writes:
            return False
        own = {s.target.buffer: (s.kind, s.target.address(loop_indices(s.target.shape))) for s in self.stores}
        return all(own[buffer] == ("store", address) for buffer, address in recorder.loads if buffer in own)

    def _splits_rows(self, store: Store) -> bool:
        """Whether costly functions would run in a loop over short rows, instead of a flat one over all of them."""
        if len(self.space) < 2 or self.space[-1] >= SHORT:
            return False
        reduces = bool(self.reduced) or store.kind != "store"
        return reduces and (is_costly(store.value) or any(is_costly(own.value) for own in self.stores))

    def merge(self, store: Store) -> None:
        """Take `store` in."""
        self.stores.append(store)
        if store.kind != "store":
            self.reduced = reduced_dimensions(store)
        self._add(store)


def reduced_dimensions(store: Store) -> frozenset[int]:
    """Which loops of its space a store reduces over."""
    if store.kind == "store":
        return frozenset()
    kept = [own for own, full in zip(store.target.shape, store.value.shape, strict=True) if full != 1]
    full = compact(store.value.shape)
    return frozenset(number for number, (own, length) in enumerate(zip(kept, full, strict=True)) if own != length)


@final
class Recorder(Body):
    """Notes what a value reads, and writes nothing."""

    def __init__(self) -> None:
        self.loads: set[tuple[Buffer, Index]] = set()
        self.tables: set[Buffer] = set()
        self.numbers: set[Index] = set()
        self._known: set[Any] = set()

    def load(self, buffer: Buffer, address: Index) -> str:
        """See `Body.load`."""
        self.loads.add((buffer, address))
        return "x"

    def load_at(self, buffer: Buffer, address: Index, position: str, stride: int) -> str:
        """See `Body.load_at`."""
        self.tables.add(buffer)
        self.numbers.add(address)
        return "x"

    def number(self, index: Index) -> str:
        """See `Body.number`."""
        self.numbers.add(index)
        return "x"

    def local(self, key: Any, dtype: torch.dtype, text: Callable[[], str]) -> str:
        """See `Body.local`."""
        c_type(dtype)
        if key not in self._known:
            self._known.add(key)
            text()
        return "x"
