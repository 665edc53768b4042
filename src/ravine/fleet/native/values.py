"""What a traced tensor is to the generator: memory at strides, or an expression evaluated at an index when asked.

Legend: an *index* is an affine form of the loop variables; a *value* has a shape and a dtype and gives C++ text at an
index; a *body* collects that text for the innermost loop.
"""

import abc
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import torch

C_TYPES = {
    torch.float32: "float",
    torch.float64: "double",
    torch.int64: "int64_t",
    torch.int32: "int32_t",
    torch.int16: "int16_t",
    torch.int8: "int8_t",
    torch.uint8: "uint8_t",
    torch.bool: "uint8_t",
}
"""Dtypes that a generated function can hold."""


class Unsupported(Exception):
    """What the generator cannot express, as half a sentence; the fleet then uses another mode."""


def c_type(dtype: torch.dtype) -> str:
    """The C++ type of a dtype."""
    if dtype not in C_TYPES:
        raise Unsupported(f"it computes in {str(dtype).removeprefix('torch.')}")
    return C_TYPES[dtype]


@dataclass(frozen=True, slots=True)
class Index:
    """`constant + sum(coefficient * variable)`; variables are numbered dimensions of the loop nest."""

    constant: int = 0
    terms: tuple[tuple[int, int], ...] = ()

    def coefficient(self, variable: int) -> int:
        """What `variable` is multiplied by."""
        return dict(self.terms).get(variable, 0)

    def __add__(self, other: "Index") -> "Index":
        total = dict(self.terms)
        for variable, coefficient in other.terms:
            total[variable] = total.get(variable, 0) + coefficient
        return Index(self.constant + other.constant, tuple(sorted((v, c) for v, c in total.items() if c)))

    def __mul__(self, factor: int) -> "Index":
        return Index(self.constant * factor, tuple((v, c * factor) for v, c in self.terms) if factor else ())


Indices: TypeAlias = tuple[Index, ...]
ZERO = Index()


def variable(number: int) -> Index:
    """The index that is one loop variable."""
    return Index(0, ((number, 1),))


_numbers = itertools.count()


@dataclass(eq=False, slots=True)
class Buffer:
    """A piece of memory.

    Attributes:
        dtype: of its elements.
        size: number of elements.
        place: "in" (given), "out" (wanted by the caller) or "scratch".
        position: which input or output; byte offset into the scratch memory, set when memory is planned.
    """

    dtype: torch.dtype
    size: int
    place: str = "scratch"
    position: int = -1
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def name(self) -> str:
        """Its name in the generated text."""
        return f"b{self.number}"

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.size * self.dtype.itemsize


class Body(abc.ABC):
    """What collects the text of an innermost loop."""

    @abc.abstractmethod
    def load(self, buffer: Buffer, address: Index) -> str:
        """An element at an affine address."""

    @abc.abstractmethod
    def load_at(self, buffer: Buffer, address: Index, position: str, stride: int) -> str:
        """An element at an address that depends on a value: `address + position * stride`."""

    @abc.abstractmethod
    def number(self, index: Index) -> str:
        """An index as a number."""

    @abc.abstractmethod
    def local(self, key: Any, dtype: torch.dtype, text: Callable[[], str]) -> str:
        """A local variable; the same one for the same key."""


class Value(abc.ABC):
    """A traced tensor."""

    def __init__(self, shape: Sequence[int], dtype: torch.dtype) -> None:
        self.shape, self.dtype = tuple(int(length) for length in shape), dtype

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @abc.abstractmethod
    def at(self, body: Body, indices: Indices) -> str:
        """C++ text of the element at `indices`."""


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a contiguous tensor."""
    return tuple(math.prod(shape[position + 1 :]) for position in range(len(shape)))


@final
class Memory(Value):
    """Elements of a buffer at strides."""

    def __init__(self, buffer: Buffer, shape: Sequence[int], strides: Sequence[int] | None = None, offset: int = 0) -> None:
        super().__init__(shape, buffer.dtype)
        self.buffer, self.offset = buffer, offset
        self.strides = row_major(self.shape) if strides is None else tuple(strides)

    def address(self, indices: Indices) -> Index:
        """Where the element at `indices` lies."""
        return sum((index * stride for index, stride in zip(indices, self.strides, strict=True)), Index(self.offset))

    def at(self, body: Body, indices: Indices) -> str:
        """See `Value.at`."""
        return body.load(self.buffer, self.address(indices))

    @property
    def is_whole(self) -> bool:
        """Whether it is its whole buffer, contiguous."""
        strides = [s for s, n in zip(self.strides, self.shape, strict=True) if n > 1]
        wanted = [s for s, n in zip(row_major(self.shape), self.shape, strict=True) if n > 1]
        return self.offset == 0 and self.numel == self.buffer.size and strides == wanted

    def through(self, view: Callable[[torch.Tensor], torch.Tensor]) -> "Memory | None":
        """The same memory seen through a view operation of torch; None if that would need a copy."""
        stand_in = torch.empty(0, device="meta", dtype=self.dtype).as_strided(self.shape, self.strides, self.offset)
        try:
            seen = view(stand_in)
        except RuntimeError:
            return None
        return Memory(self.buffer, seen.shape, seen.stride(), int(seen.storage_offset()))


@final
class Constant(Value):
    """One number everywhere."""

    def __init__(self, number: float | int | bool, shape: Sequence[int], dtype: torch.dtype) -> None:
        super().__init__(shape, dtype)
        self.number = number

    def at(self, body: Body, indices: Indices) -> str:
        """See `Value.at`."""
        return literal(self.number, self.dtype)


@final
class Ramp(Value):
    """`start + step * i` along its one dimension."""

    def __init__(self, start: float, step: float, length: int, dtype: torch.dtype) -> None:
        super().__init__((length,), dtype)
        self.start, self.step = start, step

    def at(self, body: Body, indices: Indices) -> str:
        """See `Value.at`."""
        kind = c_type(self.dtype)
        return f"({literal(self.start, self.dtype)} + {literal(self.step, self.dtype)} * ({kind})({body.number(indices[0])}))"


@final
class Pointwise(Value):
    """A function of other values at the same index.

    Attributes:
        text: C++ text of the result from the texts of the operands.
        operands: values of the same shape.
        is_costly: whether the text calls an elementary function.
    """

    def __init__(self, shape: Sequence[int], dtype: torch.dtype, text: Callable[..., str], operands: Sequence[Value]) -> None:
        super().__init__(shape, dtype)
        assert all(operand.shape == self.shape for operand in operands)
        self.text, self.operands = text, tuple(operands)
        self.is_costly = "r_" in text(*(["x"] * len(self.operands)))

    def at(self, body: Body, indices: Indices) -> str:
        """See `Value.at`."""

        def compute() -> str:
            return self.text(*(operand.at(body, indices) for operand in self.operands))

        return body.local((id(self), indices), self.dtype, compute)


@final
class Reindexed(Value):
    """Another value at another index: a broadcast, a permutation, dimensions of length one more or less."""

    def __init__(self, shape: Sequence[int], inner: Value, mapping: Callable[[Indices], Indices]) -> None:
        super().__init__(shape, inner.dtype)
        self.inner, self.mapping = inner, mapping

    def at(self, body: Body, indices: Indices) -> str:
        """See `Value.at`."""
        return self.inner.at(body, self.mapping(indices))


@final
class Lookup(Value):
    """Elements of memory whose position along one dimension is itself a value: a gather or an embedding.

    Attributes:
        table: the memory.
        dim: the dimension of `table` that `position` indexes.
        position: integer value of the result's shape; negative positions count from the end.
        mapping: index of the result -> index into `table`, whose entry at `dim` is ignored.
    """

    def __init__(self, table: Memory, dim: int, position: Value, mapping: Callable[[Indices], Indices]) -> None:
        super().__init__(position.shape, table.dtype)
        self.table, self.dim, self.position, self.mapping = table, dim, position, mapping

    def at(self, body: Body, indices: Indices) -> str:
        """See `Value.at`."""
        inner = list(self.mapping(indices))
        inner[self.dim] = ZERO
        address, stride = self.table.address(tuple(inner)), self.table.strides[self.dim]

        length = self.table.shape[self.dim]

        def wrapped() -> str:
            position = self.position.at(body, indices)
            return f"(({position}) < 0 ? ({position}) + {length} : ({position}))"

        def compute() -> str:
            place = body.local((id(self), indices, "place"), torch.int64, wrapped)
            safe = body.local((id(self), indices, "safe"), torch.int64, lambda: f"(uint64_t){place} < {length} ? {place} : 0")
            outside = literal(math.nan if self.dtype.is_floating_point else 0, self.dtype)
            return f"({place} == {safe} ? {body.load_at(self.table.buffer, address, safe, stride)} : {outside})"

        return body.local((id(self), indices), self.dtype, compute)


def parts(value: Value) -> tuple[Value, ...]:
    """The values that a value reads, one level down."""
    match value:
        case Pointwise():
            return value.operands
        case Reindexed():
            return (value.inner,)
        case Lookup():
            return (value.table, value.position)
        case _:
            return ()


def walk(value: Value) -> Iterator[Value]:
    """A value and everything that it reads, stored values not looked into."""
    stack = [value]
    while stack:
        current = stack.pop()
        yield current
        stack += parts(current)


def literal(number: float | int | bool, dtype: torch.dtype) -> str:
    """A number as C++ text, exact."""
    kind = c_type(dtype)
    if dtype.is_floating_point:
        number = float(number)
        if math.isnan(number):
            return f"({kind})NAN"
        if math.isinf(number):
            return f"({kind}){'-' if number < 0 else ''}INFINITY"
        # A double's shortest text, then one rounding to the type, as torch does with a Python number.
        return f"(({kind}){number!r})"
    return f"(({kind}){int(number)}LL)"


def broadcast(value: Value, shape: Sequence[int]) -> Value:
    """The value with lengths of one repeated, and dimensions added in front, to reach `shape`."""
    shape = tuple(int(length) for length in shape)
    if value.shape == shape:
        return value
    if isinstance(value, Constant):
        return Constant(value.number, shape, value.dtype)
    if isinstance(value, Memory):
        seen = value.through(lambda stand_in: stand_in.expand(shape))
        assert seen is not None
        return seen
    missing = len(shape) - len(value.shape)
    fixed = tuple(own == 1 and wanted != 1 for own, wanted in zip(value.shape, shape[missing:], strict=True))

    def mapping(indices: Indices) -> Indices:
        return tuple(ZERO if is_fixed else index for is_fixed, index in zip(fixed, indices[missing:], strict=True))

    return Reindexed(shape, value, mapping)
