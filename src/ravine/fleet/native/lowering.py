"""From a traced graph to statements: which values are stored, which are computed where they are used."""

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, final

import torch
from torch import fx

from ravine.fleet.native import elementwise
from ravine.fleet.native.loops import SHORT, Call, Kind, Loop, Statement, Store, compact, is_costly
from ravine.fleet.native.values import (
    ZERO,
    Buffer,
    Constant,
    Indices,
    Lookup,
    Memory,
    Pointwise,
    Reindexed,
    Unsupported,
    Value,
    broadcast,
    c_type,
    walk,
)

aten = torch.ops.aten

Handler: TypeAlias = Callable[["Lowering", fx.Node], Any]
HANDLERS: dict[Any, Handler] = {}
"""How each operation that is not pointwise is expressed; filled by the modules of operators."""

FARTHEST_MERGE = 40
"""Statements that a loop may move up to join another of its shape: far moves keep memory alive for longer."""

DEEPEST = 24
"""Operations that are computed in place before their result is stored."""


def handles(*targets: Any) -> Callable[[Handler], Handler]:
    """Register a handler for operations."""

    def register(handler: Handler) -> Handler:
        for target in targets:
            HANDLERS[target] = handler
        return handler

    return register


@final
class Lowering:
    """The statements of one graph, built node by node.

    Args:
        graph: traced, without dead code; every tensor node has `meta["val"]`.
    """

    def __init__(self, graph: fx.Graph) -> None:
        self.statements: list[Statement] = []
        self.inputs: list[Buffer] = []
        self.outputs: list[Buffer] = []
        self._env: dict[fx.Node, Any] = {}
        self._depth: dict[Value, int] = {}
        for node in graph.nodes:
            self._visit(node)

    def value(self, argument: Any) -> Any:
        """The value of a node, or the argument itself."""
        return self._env[argument] if isinstance(argument, fx.Node) else argument

    def rebind(self, node: fx.Node, value: Value) -> None:
        """Give a node another value from now on: an operation wrote into it."""
        self._env[node] = value

    def _visit(self, node: fx.Node) -> None:
        match node.op:
            case "placeholder":
                tensor = node.meta["val"]
                if not isinstance(tensor, torch.Tensor):
                    raise Unsupported("an input is not a tensor")
                c_type(tensor.dtype)
                buffer = Buffer(tensor.dtype, max(1, tensor.numel()), "in", len(self.inputs))
                self.inputs.append(buffer)
                self._env[node] = Memory(buffer, tensor.shape)
            case "get_attr":
                raise Unsupported("its forward uses a tensor that is neither parameter nor buffer")
            case "output":
                leaves = torch.utils._pytree.tree_leaves(node.args[0])
                self.outputs = [self._output(self.value(leaf), number) for number, leaf in enumerate(leaves)]
            case "call_function":
                self._env[node] = self._call(node)
            case _:
                raise Unsupported(f"its trace holds a {node.op}")

    def _call(self, node: fx.Node) -> Any:
        target = node.target
        if target is operator.getitem:
            return self.value(node.args[0])[node.args[1]]
        if target in HANDLERS:
            result = HANDLERS[target](self, node)
        elif (text := self._pointwise(node)) is not None:
            result = text
        else:
            raise Unsupported(f"no native code is known for {str(target).removesuffix('.default')}")
        return self._settle(node, result) if isinstance(result, Value) else result

    def _settle(self, node: fx.Node, value: Value) -> Value:
        """Store a value that would otherwise be computed more than once, or that has grown long."""
        if not isinstance(value, Pointwise | Lookup):
            return value
        depth = 1 + max((self._depth.get(part, 0) for part in walk(value) if part is not value), default=0)
        self._depth[value] = depth
        costly = node.target in elementwise.COSTLY or depth > 3
        wider = any(_numel(user) > value.numel for user in node.users)
        if value.numel > 1 and (len(node.users) > 1 or depth > DEEPEST or (wider and costly)):
            return self.stored(value)
        if value.numel == 1 and (len(node.users) > 1 or wider):
            return self.stored(value)
        return value

    def _pointwise(self, node: fx.Node) -> Value | None:
        target, result = node.target, node.meta.get("val")
        if not isinstance(result, torch.Tensor):
            return None
        shape, dtype = result.shape, result.dtype
        if target in elementwise.PLAIN:
            if target in (aten.pow.Tensor_Tensor, aten.pow.Scalar) and not dtype.is_floating_point:
                raise Unsupported("it raises integers to powers that it computes")
            arguments = list(node.args)
            scale = node.kwargs.get("alpha", 1)
            if len(node.args) == 3 and target in (aten.add.Scalar, aten.sub.Scalar):
                scale = arguments.pop()
            operands = [self.operand(argument, shape, dtype) for argument in arguments]
            if scale != 1:
                operands[1] = self.pointwise(lambda a, s: f"({a} * {s})", operands[1], Constant(scale, shape, dtype))  # type: ignore[arg-type]  # a number
            text = elementwise.PLAIN[target]
            return Pointwise(shape, dtype, text if dtype != torch.bool else lambda *a: f"({text(*a)} != 0)", operands)
        if target in elementwise.COMPARISONS:
            sign = elementwise.COMPARISONS[target]
            common = _common(node.args, [self.value(a) for a in node.args])
            pair = [self.operand(argument, shape, common) for argument in node.args]
            return Pointwise(shape, dtype, lambda a, b: f"({a} {sign} {b})", pair)
        if target in elementwise.LOGICAL:
            return Pointwise(shape, dtype, elementwise.LOGICAL[target], [broadcast(self.value(a), shape) for a in node.args])
        if target in elementwise.BITWISE:
            sign = elementwise.BITWISE[target]
            pair = [self.operand(argument, shape, dtype) for argument in node.args]
            return Pointwise(shape, dtype, lambda a, b: f"({a} {sign} {b})", pair)
        return None

    def operand(self, argument: Any, shape: Sequence[int], dtype: torch.dtype) -> Value:
        """An argument broadcast to a shape and converted to a dtype; numbers become constants."""
        value = self.value(argument)
        if not isinstance(value, Value):
            return Constant(value, shape, dtype)
        return self.converted(broadcast(value, shape), dtype)

    def converted(self, value: Value, dtype: torch.dtype) -> Value:
        """A value in another dtype."""
        if value.dtype == dtype:
            return value
        if isinstance(value, Constant):
            number = torch.tensor(value.number, dtype=value.dtype).to(dtype).item()
            return Constant(number, value.shape, dtype)
        given = value.dtype
        return Pointwise(value.shape, dtype, lambda a: elementwise.cast(a, given, dtype), [value])

    def pointwise(self, text: elementwise.Text, *operands: Value, dtype: torch.dtype | None = None) -> Pointwise:
        """A pointwise value of operands that already agree."""
        return Pointwise(operands[0].shape, dtype or operands[0].dtype, text, operands)

    def new(self, shape: Sequence[int], dtype: torch.dtype) -> Memory:
        """Fresh contiguous memory."""
        whole = tuple(int(length) for length in shape)
        c_type(dtype)
        size = 1
        for length in whole:
            size *= length
        return Memory(Buffer(dtype, max(1, size)), whole)

    def memory(self, value: Value) -> Memory:
        """The value as memory, stored if it is not."""
        return value if isinstance(value, Memory) else self.stored(value)

    def stored(self, value: Value) -> Memory:
        """The value in fresh contiguous memory."""
        target = self.new(value.shape, value.dtype)
        self.store(value, target)
        return target

    def store(self, value: Value, target: Memory, kind: Kind = "store") -> None:
        """Write a value, in an earlier loop over the same space where that is possible."""
        if value.numel == 0:
            raise Unsupported("a tensor in it is empty")
        store, after = Store(value, target, kind), list[Statement]()
        for statement in reversed(self.statements[-FARTHEST_MERGE:]):
            if isinstance(statement, Loop) and statement.accepts(store, after=after):
                statement.merge(store)
                return
            after.append(statement)
        loop = Loop(store)
        # Numbers computed from inputs alone go first: behind a loop they would keep later stores from joining it. One
        # that overwrites an element of what is there already (the middle of a padded vector) must stay behind it.
        is_early = not loop.space and all(buffer.place == "in" for buffer in loop.reads)
        is_early = is_early and not any(target.buffer in other.reads | other.writes for other in self.statements)
        self.statements.insert(0 if is_early else len(self.statements), loop)

    def reduce(self, value: Value, dims: Sequence[int], kind: Kind, dtype: torch.dtype | None = None) -> Memory:
        """Reduce over dimensions, which stay with length one."""
        shape = [1 if position in dims else length for position, length in enumerate(value.shape)]
        target = self.new(shape, dtype or value.dtype)
        if all(value.shape[dim] == 1 for dim in dims):
            self.store(self.converted(value, target.dtype), target)
        else:
            short = len(compact(value.shape)) > 1 and compact(value.shape)[-1] < SHORT
            self.store(self.stored(value) if short and is_costly(value) else value, target, kind)
        return target

    def call(self, text: str, reads: Sequence[Memory], writes: Sequence[Memory], scratch: Callable[[Any], int] | None = None) -> None:
        """Append a call."""
        self.statements.append(Call(text, [m.buffer for m in reads], [m.buffer for m in writes], scratch))

    def view(self, value: Value, operation: Callable[[torch.Tensor], torch.Tensor]) -> Value:
        """A view operation of torch, on a copy where the memory's strides do not allow it."""
        if isinstance(value, Constant):
            return Constant(value.number, operation(torch.empty(value.shape, device="meta")).shape, value.dtype)
        seen = self.memory(value).through(operation)
        if seen is None:
            seen = self.stored(value).through(operation)
        assert seen is not None
        return seen

    def permuted(self, value: Value, order: Sequence[int]) -> Value:
        """Dimensions in another order, without storing what is not stored."""
        if isinstance(value, Memory | Constant):
            return self.view(value, lambda stand_in: stand_in.permute(tuple(order)))
        order = [dim % len(value.shape) for dim in order]

        def mapping(indices: Indices) -> Indices:
            inner = [ZERO] * len(order)
            for position, dim in enumerate(order):
                inner[dim] = indices[position]
            return tuple(inner)

        return Reindexed([value.shape[dim] for dim in order], value, mapping)

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        """Another shape of the same elements; without storing if only dimensions of length one come or go."""
        shape = tuple(int(length) for length in shape)
        if isinstance(value, Memory | Constant) or [n for n in value.shape if n != 1] != [n for n in shape if n != 1]:
            return self.view(value, lambda stand_in: stand_in.view(shape))
        long = [position for position, length in enumerate(shape) if length != 1]

        def mapping(indices: Indices) -> Indices:
            numbers = iter(long)
            return tuple(ZERO if length == 1 else indices[next(numbers)] for length in value.shape)

        return Reindexed(shape, value, mapping)

    def _output(self, value: Any, number: int) -> Buffer:
        if not isinstance(value, Value):
            raise Unsupported("an output is not a tensor")
        if isinstance(value, Memory) and value.is_whole and value.buffer.place == "scratch":
            value.buffer.place, value.buffer.position = "out", number
            return value.buffer
        target = self.new(value.shape, value.dtype)
        target.buffer.place, target.buffer.position = "out", number
        self.store(value, target)
        return target.buffer


def _numel(node: fx.Node) -> int:
    result = node.meta.get("val")
    return result.numel() if isinstance(result, torch.Tensor) else 0


def _common(arguments: Sequence[Any], values: Sequence[Any]) -> torch.dtype:
    """The type in which torch compares two operands."""
    stand_ins = [torch.empty(v.shape, dtype=v.dtype, device="meta") if isinstance(v, Value) else v for v in values]
    return torch.result_type(stand_ins[0], stand_ins[1])
