"""A lowered graph as one C++ function: which stores are needed, where intermediate results lie, and the text."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from ravine.fleet.native import activations, calling, indexing, reducing, resampling, scanning, shaping  # noqa: F401 - importing them registers their operations
from ravine.fleet.native.loops import Call, Loop, Statement
from ravine.fleet.native.lowering import Lowering
from ravine.fleet.native.nests import emit
from ravine.fleet.native.sharing import sharable
from ravine.fleet.native.values import Buffer, Unsupported, c_type

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""

TEMPLATE = """#include "elementary.h"
#include "kernels.h"
#include <cstdint>
#include <cstring>

namespace {{
{functions}
}}

extern "C" __attribute__((visibility("default")))
void {name}(long n, void* const* in, void* const* out, char* scratch, const void* table) {{
const Kernels<{element}>* kernels = (const Kernels<{element}>*)table;
char* workspace = scratch + {workspace}L;
(void)n; (void)kernels; (void)workspace;
{pointers}
{body}
}}
"""


@dataclass(frozen=True, slots=True)
class Program:
    """The C++ text of a graph.

    Attributes:
        source: the text; it defines one function `name(n, in, out, scratch, kernels)`.
        name: of the function.
        own_bytes: memory for intermediate results.
        calls: for each kernel that is called, how much it asks for.
        shared: numbers of the outputs that may lie where their input lies.
        has_images: whether it calls other kernels than products.
    """

    source: str
    name: str
    own_bytes: int
    calls: tuple[Callable[[Any], int], ...] = ()
    shared: frozenset[int] = frozenset()
    has_images: bool = False

    def scratch_bytes(self, kernels: Callable[[], Any]) -> int:
        """Memory that the function needs besides inputs and outputs.

        Args:
            kernels: gives the table of kernels; asked only if there are calls.
        """
        return self.own_bytes + (max(call(kernels()) for call in self.calls) if self.calls else 0)


def generate(
    graph: fx.Graph, name: str, element: torch.dtype, *, symbolic: int | None = None, in_place: Sequence[tuple[int, int]] = ()
) -> Program:
    """Write a graph as C++.

    Args:
        graph: traced, without dead code.
        name: of the function.
        element: floating dtype of the kernels that are called.
        symbolic: a length that stands for the run-time argument `n`.
        in_place: numbers of outputs, and of the inputs in whose memory they are wanted; `Program.shared` says which may.

    Raises:
        Unsupported: an operation or a dtype that has no native code.
    """
    low = Lowering(graph)
    shared = sharable(low, in_place)
    aliases = {low.outputs[out]: low.inputs[given] for out, given in in_place if out in shared}
    unread = _unread(low)
    functions, body = [], []
    for number, statement in enumerate(low.statements):
        if isinstance(statement, Loop):
            text, arguments = emit(statement, f"s{number}", unread, lambda length: "n" if length == symbolic else str(length))
            functions.append(_without_promise(text, statement, aliases))
            body.append(f"s{number}({', '.join(['n', *(b.name for b in arguments)])});")
        else:
            assert isinstance(statement, Call)
            body.append(f"{{ {statement.text} }}")
    size = _plan(low.statements, unread)
    kept = {buffer for statement in low.statements for buffer in statement.writes if buffer.place == "scratch"} - unread
    if any(buffer.size == symbolic for buffer in kept):
        raise Unsupported("its intermediate results do not fit registers")
    calls = tuple(s.scratch or (lambda _: 0) for s in low.statements if isinstance(s, Call) and "kernels->" in s.text)
    source = TEMPLATE.format(
        functions="\n".join(functions),
        name=name,
        element=c_type(element),
        workspace=size,
        pointers="\n".join(_pointers(low, unread)),
        body="\n".join(body),
    )
    return Program(source, name, size, calls, shared, has_images=bool(re.search(r"kernels->(?!product\()", source)))


def _without_promise(text: str, loop: Loop, aliases: Mapping[Buffer, Buffer]) -> str:
    """A nest's text without the promise that an output and its input are apart; `omp simd` still says that elements are."""
    for out in loop.writes & aliases.keys():
        for buffer in (out, aliases[out]):
            text = re.sub(rf" __restrict {buffer.name}\b", f" {buffer.name}", text)
    return text


def _unread(low: Lowering) -> set[Buffer]:
    """Buffers that nobody outside the loop that writes them reads."""
    unread: set[Buffer] = set()
    for statement in low.statements:
        unread |= {buffer for buffer in statement.writes if buffer.place == "scratch"}
    for statement in low.statements:
        read = statement.reads if isinstance(statement, Call) else statement.reads - statement.writes
        unread -= read
    return unread - {b for s in low.statements if isinstance(s, Call) for b in s.writes} - _reduced(low.statements)


def _reduced(statements: Sequence[Statement]) -> set[Buffer]:
    return {store.target.buffer for s in statements if isinstance(s, Loop) for store in s.stores if store.kind != "store"}


def _plan(statements: Sequence[Statement], unread: set[Buffer]) -> int:
    """Give every scratch buffer a place that no other buffer in use at the same time has; returns the bytes in all."""
    last: dict[Buffer, int] = {}
    for number, statement in enumerate(statements):
        last |= dict.fromkeys(statement.reads | statement.writes, number)
    free: list[tuple[int, int]] = []
    end, live = 0, dict[Buffer, tuple[int, int]]()
    for number, statement in enumerate(statements):
        for buffer in sorted(statement.writes, key=lambda b: b.number):
            if buffer.place != "scratch" or buffer in unread or buffer in live:
                continue
            wanted = -(-buffer.nbytes // ALIGNMENT) * ALIGNMENT
            place, end = _take(free, wanted, end)
            buffer.position, live[buffer] = place, (place, wanted)
        for buffer in [b for b in live if last[b] == number]:
            free = _give(free, live.pop(buffer))
    return end


def _take(free: list[tuple[int, int]], wanted: int, end: int) -> tuple[int, int]:
    fitting = [(size, place) for place, size in free if size >= wanted]
    if not fitting:
        return end, end + wanted
    size, place = min(fitting)
    free.remove((place, size))
    if size > wanted:
        free.append((place + wanted, size - wanted))
    return place, end


def _give(free: list[tuple[int, int]], piece: tuple[int, int]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for place, size in sorted([*free, piece]):
        if merged and sum(merged[-1]) == place:
            merged[-1] = (merged[-1][0], merged[-1][1] + size)
        else:
            merged.append((place, size))
    return merged


def _pointers(low: Lowering, unread: set[Buffer]) -> list[str]:
    buffers: dict[Buffer, Any] = {}
    for statement in low.statements:
        buffers |= dict.fromkeys(sorted(statement.reads | statement.writes, key=lambda b: b.number))
    lines = []
    for buffer in buffers:
        if buffer in unread:
            continue
        kind = c_type(buffer.dtype)
        source = {"in": f"in[{buffer.position}]", "out": f"out[{buffer.position}]", "scratch": f"scratch + {buffer.position}L"}
        constant = "const " if buffer.place == "in" else ""
        lines.append(f"{constant}{kind}* {buffer.name} = ({constant}{kind}*)({source[buffer.place]});")
    return lines
