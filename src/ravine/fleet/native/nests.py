"""The C++ text of loop nests."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from ravine.fleet.native.loops import Loop, Recorder, Store, loop_indices
from ravine.fleet.native.values import ZERO, Body, Buffer, Index, c_type, literal, variable


@dataclass(slots=True)
class _Axis:
    """Neighbouring dimensions run by one loop variable."""

    dims: list[int]
    length: int

    @property
    def last(self) -> int:
        return self.dims[-1]


class _Writer(Body):
    """Writes the innermost body of a nest."""

    def __init__(self, axes: Sequence[_Axis]) -> None:
        self.lines: list[str] = []
        self._axes, self._locals, self._stored = axes, dict[Any, str](), dict[Any, str]()

    def render(self, index: Index) -> str:
        terms = [f"{index.coefficient(axis.last)} * i{axis.last}" for axis in self._axes if index.coefficient(axis.last)]
        return " + ".join([*terms, *([str(index.constant)] if index.constant or not terms else [])])

    def load(self, buffer: Buffer, address: Index) -> str:
        stored = self._stored.get((buffer, address))
        return stored or self.local((buffer, address), buffer.dtype, lambda: f"{buffer.name}[{self.render(address)}]")

    def load_at(self, buffer: Buffer, address: Index, position: str, stride: int) -> str:
        return f"{buffer.name}[{self.render(address)} + {stride} * ({position})]"

    def number(self, index: Index) -> str:
        return f"({self.render(index)})"

    def local(self, key: Any, dtype: torch.dtype, text: Callable[[], str]) -> str:
        if key not in self._locals:
            value = text()
            name = f"t{len(self._locals)}"
            self._locals[key] = name
            self.lines.append(f"const {c_type(dtype)} {name} = {value};")
        return self._locals[key]

    def remember(self, buffer: Buffer, address: Index, text: str) -> None:
        self._stored[(buffer, address)] = text


IDENTITY = {"sum": 0.0, "max": -math.inf, "min": math.inf, "any": 0.0}


MOST_PLAIN_TERMS = 4096
"""Terms that are added up in float: each of a vector's sums then keeps more than five digits."""

MOST_ACCUMULATORS = 16384
"""Elements of a row that is accumulated on the stack."""


def emit(loop: Loop, name: str, unread: set[Buffer], extent: Callable[[int], str]) -> tuple[str, list[Buffer]]:
    """A nest as a C++ function, and the buffers that it takes as arguments.

    Args:
        loop: the nest.
        name: of the function.
        unread: buffers that nothing outside this nest reads; they are not stored.
        extent: text of a loop bound.
    """
    return _Nest(loop, unread, extent).function(name)


@dataclass(slots=True)
class _Nest:
    """The text of one loop nest: kept dimensions outside, then reduced ones, then a row of kept ones if rows are accumulated."""

    loop: Loop
    unread: set[Buffer]
    extent: Callable[[int], str]
    outer: list[_Axis] = field(default_factory=list)
    middle: list[_Axis] = field(default_factory=list)
    row: list[_Axis] = field(default_factory=list)

    def function(self, name: str) -> tuple[str, list[Buffer]]:
        self._arrange()
        reads = sorted(self._used(), key=lambda b: b.number)
        writes = {s.target.buffer for s in self.loop.stores if s.kind != "store" or s.target.buffer not in self.unread}
        written = sorted(writes, key=lambda b: b.number)
        parameters = [f"const {c_type(b.dtype)}* __restrict {b.name}" for b in reads]
        parameters += [f"{c_type(b.dtype)}* __restrict {b.name}" for b in written]
        head = f"__attribute__((noinline)) void {name}({', '.join(['long n', *parameters])}) {{"
        return "\n".join([head, "(void)n;", *self._lines(writes), "}", ""]), [*reads, *written]

    def _used(self) -> set[Buffer]:
        return self.loop.reads - self.loop.writes

    def _arrange(self) -> None:
        space, reduced = self.loop.space, self.loop.reduced
        kept = [dim for dim in range(len(space)) if dim not in reduced]
        row: list[int] = []
        if reduced and kept and kept[-1] == len(space) - 1:
            size = 1
            while kept and kept[-1] == len(space) - 1 - len(row) and size * space[kept[-1]] <= MOST_ACCUMULATORS:
                size *= space[kept[-1]]
                row.insert(0, kept.pop())  # a row too long for the stack is left to scalars, one element after the other
        accesses = self._accesses()
        self.outer, self.middle, self.row = (self._collapse(dims, accesses) for dims in (kept, sorted(reduced), row))

    def _accesses(self) -> set[Index]:
        found: set[Index] = set()
        for store in self.loop.stores:
            recorder = Recorder()
            store.value.at(recorder, loop_indices(store.value.shape))
            found |= {address for _, address in recorder.loads} | recorder.numbers
            found.add(self._target(store))
        return found

    def _target(self, store: Store) -> Index:
        """The address that a store writes, in the variables of the full space."""
        numbers = iter(range(len(self.loop.space)))
        indices = []
        for full, own in zip(store.value.shape, store.target.shape, strict=True):
            number = next(numbers) if full != 1 else -1
            indices.append(variable(number) if own != 1 and number >= 0 else ZERO)
        return store.target.address(tuple(indices))

    def _collapse(self, dims: Sequence[int], accesses: set[Index]) -> list[_Axis]:
        space = self.loop.space
        axes = [_Axis([dim], space[dim]) for dim in dims[:1]]
        for before, dim in pairwise(dims):
            joined = dim == before + 1 and all(a.coefficient(before) == a.coefficient(dim) * space[dim] for a in accesses)
            if joined:
                axes[-1] = _Axis([*axes[-1].dims, dim], axes[-1].length * space[dim])
            else:
                axes.append(_Axis([dim], space[dim]))
        return axes

    def _for(self, axis: _Axis) -> str:
        return f"for (long i{axis.last} = 0; i{axis.last} < {self.extent(axis.length)}; ++i{axis.last}) {{"

    def _lines(self, writes: set[Buffer]) -> Iterator[str]:
        reductions = [store for store in self.loop.stores if store.kind != "store"]
        body, results = self._body(writes)
        outer = _Writer([*self.outer, *self.row])
        closing = 0
        for position, axis in enumerate(self.outer):
            if not reductions and position == len(self.outer) - 1:
                yield "#pragma omp simd"
            yield self._for(axis)
            closing += 1
        if not reductions:
            yield from body
        elif self.row:
            yield from self._rows(reductions, results, body, outer)
        else:
            yield from self._totals(reductions, results, body, outer)
        yield from ["}"] * closing

    def _body(self, writes: set[Buffer]) -> tuple[list[str], list[str]]:
        writer, results = _Writer([*self.outer, *self.middle, *self.row]), []
        for store in self.loop.stores:
            text = store.value.at(writer, loop_indices(store.value.shape))
            if store.kind == "store":
                name = writer.local(("result", id(store)), store.target.dtype, lambda text=text: text)  # type: ignore[misc]
                address = self._target(store)
                writer.remember(store.target.buffer, address, name)
                if store.target.buffer in writes:
                    writer.lines.append(f"{store.target.buffer.name}[{writer.render(address)}] = {name};")
            else:
                results.append(text)
        return writer.lines, results

    def _totals(self, reductions: Sequence[Store], results: Sequence[str], body: Sequence[str], outer: _Writer) -> Iterator[str]:
        """Every reduction in a scalar: the innermost loop in the value's type, what is around it in double."""
        nested = len(self.middle) > 1
        for number, store in enumerate(reductions):
            kind = _wide(store) if nested else _accumulator(store, self.middle[-1:])
            yield f"{kind} a{number} = {_identity(store)};{_flag(store, number)}"
        for axis in self.middle[:-1]:
            yield self._for(axis)
        inner = "p" if nested else "a"
        if nested:
            for number, store in enumerate(reductions):
                yield f"{_accumulator(store, self.middle[-1:])} p{number} = {_identity(store)};"
        clauses = [_clause(store, f"{inner}{number}", f"bad{number}") for number, store in enumerate(reductions)]
        yield f"#pragma omp simd {' '.join(clauses)}"
        yield self._for(self.middle[-1]) if self.middle else "{"
        yield from body
        for number, (store, result) in enumerate(zip(reductions, results, strict=True)):
            yield _step(store, f"{inner}{number}", result, f"bad{number}")
        yield "}"
        if nested:
            for number, store in enumerate(reductions):
                yield _step(store, f"a{number}", f"p{number}", f"bad{number}")
        yield from ["}"] * (len(self.middle) - 1)
        for number, store in enumerate(reductions):
            yield f"{store.target.buffer.name}[{outer.render(self._target(store))}] = {_finish(store, f'a{number}', f'bad{number}')};"

    def _rows(self, reductions: Sequence[Store], results: Sequence[str], body: Sequence[str], outer: _Writer) -> Iterator[str]:
        """Every reduction in a row of accumulators, one for each kept trailing element."""
        size = math.prod(axis.length for axis in self.row)
        place = _row_position(self.row)
        for number, store in enumerate(reductions):
            flags = f" {c_type(store.value.dtype)} bad{number}[{size}];" if _keeps_nan(store) else ""
            clear = f" bad{number}[j] = 0;" if flags else ""
            yield f"{_accumulator(store, self.middle)} a{number}[{size}];{flags}"
            yield f"for (long j = 0; j < {size}; ++j) {{ a{number}[j] = {_identity(store)};{clear} }}"
        for axis in [*self.middle, *self.row[:-1]]:
            yield self._for(axis)
        yield "#pragma omp simd"
        yield self._for(self.row[-1])
        yield from body
        for number, (store, result) in enumerate(zip(reductions, results, strict=True)):
            yield _step(store, f"a{number}[{place}]", result, f"bad{number}[{place}]")
        yield from ["}"] * (len(self.middle) + len(self.row))
        for axis in self.row:
            yield self._for(axis)
        for number, store in enumerate(reductions):
            finished = _finish(store, f"a{number}[{place}]", f"bad{number}[{place}]")
            yield f"{store.target.buffer.name}[{outer.render(self._target(store))}] = {finished};"
        yield from ["}"] * len(self.row)


def _row_position(row: Sequence[_Axis]) -> str:
    text = "0"
    for axis in row:
        text = f"({text}) * {axis.length} + i{axis.last}"
    return text


def _wide(store: Store) -> str:
    return "double" if store.value.dtype.is_floating_point else c_type(store.value.dtype)


def _accumulator(store: Store, axes: Sequence[_Axis]) -> str:
    """The type of a sum: double where so many terms would leave too few of float's digits."""
    terms = math.prod(axis.length for axis in axes)
    return _wide(store) if store.kind == "sum" and terms > MOST_PLAIN_TERMS else c_type(store.value.dtype)


def _identity(store: Store) -> str:
    if store.kind in ("max", "min") and not store.value.dtype.is_floating_point:
        return f"math::{'least' if store.kind == 'max' else 'most'}<{c_type(store.value.dtype)}>()"
    return literal(IDENTITY[store.kind], store.value.dtype)


def _keeps_nan(store: Store) -> bool:
    """Whether NaN must be looked for: a comparison drops it, torch's extrema keep it."""
    return store.kind in ("max", "min") and store.value.dtype.is_floating_point


def _flag(store: Store, number: int) -> str:
    # Of the value's own type: flags of another width would halve the vectors.
    return f" {c_type(store.value.dtype)} bad{number} = 0;" if _keeps_nan(store) else ""


def _clause(store: Store, name: str, bad: str) -> str:
    operator = {"sum": "+", "max": "max", "min": "min", "any": "|"}[store.kind]
    extra = f" reduction(+:{bad})" if _keeps_nan(store) else ""
    return f"reduction({operator}:{name}){extra}"


def _step(store: Store, name: str, result: str, bad: str) -> str:
    match store.kind:
        case "sum":
            return f"{name} += {result};"
        case "any":
            return f"{name} |= ({result}) != 0;"
        case _:
            sign = ">" if store.kind == "max" else "<"
            flag = f"{bad} += {result} != {result} ? 1 : 0; " if _keeps_nan(store) else ""
            return f"{flag}{name} = {result} {sign} {name} ? {result} : {name};"


def _finish(store: Store, name: str, bad: str) -> str:
    kind = c_type(store.target.dtype)
    return f"{bad} != 0 ? ({kind})NAN : ({kind}){name}" if _keeps_nan(store) else f"({kind}){name}"
