"""One lane's gradient, and one rule's update, as graphs of plain aten operations.

No vmap: a lane is traced alone, so models for which torch has no batching rule can be traced too. Random draws are
taken out of the graph; the caller draws them with the same calls in the same order and hands them in.
"""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._decomp import core_aten_decompositions
from torch.func import grad_and_value
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ravine.fleet.data import duplicate
from ravine.fleet.native.values import Unsupported
from ravine.fleet.stacking import split_state
from ravine.fleet.substitutes import stackable_operations
from ravine.rules import Rule
from ravine.tasks._randomness import isolated
from ravine.tasks.functional import functional_call

aten = torch.ops.aten

FLAT_LENGTH = 1009
"""Length of the stand-in for all parameters laid end to end; a prime that no model's flags or slots have."""

DRAWS: dict[Any, Callable[..., Tensor]] = {
    aten.bernoulli.p: lambda like, p: like.bernoulli_(p),  # the other form forgets the strides
    aten.bernoulli.default: torch.ops.aten.bernoulli.default,
    aten.rand_like.default: torch.rand_like,
    aten.randn_like.default: torch.randn_like,
    aten.normal_functional.default: torch.ops.aten.normal_functional.default,
    aten.exponential.default: torch.ops.aten.exponential.default,
}
"""Random operations whose result depends on the shape of their first argument only."""

CREATED: dict[Any, Callable[..., Tensor]] = {
    aten.rand.default: torch.rand,
    aten.randn.default: torch.randn,
    aten.randperm.default: lambda shape, dtype: torch.randperm(*shape, dtype=dtype),
}
"""Random operations that take a shape."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A random tensor that the forward pass wants.

    Attributes:
        make: draws it from torch's own stream, as the traced operation would.
        shape, dtype: of the tensor.
    """

    make: Callable[[], Tensor]
    shape: tuple[int, ...]
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class TracedGradient:
    """The graph of one lane's gradient.

    Its inputs are the parameters, the other state, the batch's leaves, the draws and the constants; its outputs the
    gradients, the loss and the state that the forward pass changed.

    Attributes:
        graph: aten operations.
        parameters, state: names, in the order of the inputs.
        changed: names of the state among the outputs.
        draws: random tensors, in the order in which they are drawn.
        constants: tensors that the forward uses and that are neither parameters nor buffers.
    """

    graph: fx.Graph = field(repr=False)
    parameters: tuple[str, ...]
    state: tuple[str, ...]
    changed: tuple[str, ...]
    draws: tuple[Draw, ...]
    constants: tuple[Tensor, ...]


def trace_gradient(objective: nn.Module, batch: Any) -> TracedGradient:
    """Trace the gradient of an objective's loss by its trainable parameters.

    Args:
        objective: in training mode; `requires_grad` says what is trainable.
        batch: one batch; only its shapes are used.

    Raises:
        Unsupported: the forward cannot be traced, or draws random numbers in a way that cannot be repeated outside.
    """
    trainable, fixed = split_state(objective)
    leaves, shape = pytree.tree_flatten(batch)

    def forward(parameters: Sequence[Tensor], state: Sequence[Tensor], data: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        after = [tensor.clone() for tensor in state]
        named = dict(zip(trainable, parameters, strict=True)) | dict(zip(fixed, after, strict=True))
        with stackable_operations():
            return functional_call(objective, named, (pytree.tree_unflatten(list(data), shape),)), after

    inputs = list(trainable.values()), list(fixed.values()), leaves
    try:
        graph, module = _trace(_by_functions(forward), *inputs)
    except Unsupported:
        graph, module = _trace(_by_autograd(forward, *inputs), *inputs)
    count = len(trainable) + len(fixed) + len(leaves)
    draws = _take_out_draws(graph, count, _layouts(objective, batch))
    constants = _take_out_constants(graph, module)
    changed = _drop_unchanged(graph, list(fixed), len(trainable))
    graph.eliminate_dead_code()
    return TracedGradient(graph, tuple(trainable), tuple(fixed), changed, draws, constants)


Forward = Callable[[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]], tuple[Tensor, list[Tensor]]]
"""(parameters, state, batch) -> loss and state afterwards."""


def _by_functions(forward: Forward) -> Callable[..., Any]:
    """Gradients, loss and state by `torch.func`."""

    def gradient(parameters: Sequence[Tensor], state: Sequence[Tensor], data: Sequence[Tensor]) -> Any:
        gradients, (loss, after) = grad_and_value(lambda p: forward(p, state, data), has_aux=True)(list(parameters))
        return list(gradients), loss, after

    return gradient


def _by_autograd(forward: Forward, *inputs: Any) -> Callable[..., Any]:
    """The same by ordinary autograd, traced beforehand: for what `torch.func` refuses, such as old-style autograd functions."""

    def gradient(parameters: Sequence[Tensor], state: Sequence[Tensor], data: Sequence[Tensor]) -> Any:
        given = [parameter.detach().requires_grad_() for parameter in parameters]
        with torch.enable_grad():
            loss, after = forward(given, state, data)
        gradients = torch.autograd.grad(loss, given)
        return list(gradients), loss.detach(), [tensor.detach() for tensor in after]

    return _traced(gradient, None, *inputs)


@dataclass(frozen=True, slots=True)
class TracedEvaluation:
    """The graph of one lane's loss and metrics; its inputs are as for a gradient, without draws.

    Attributes:
        graph: aten operations.
        names: of the loss and the metrics, in the order of the outputs.
        dtypes: of the outputs.
        constants: tensors that the forward uses and that are neither parameters nor buffers.
    """

    graph: fx.Graph = field(repr=False)
    names: tuple[str, ...]
    dtypes: tuple[torch.dtype, ...]
    constants: tuple[Tensor, ...]


def trace_evaluation(objective: nn.Module, piece: Any) -> TracedEvaluation:
    """Trace an objective's loss and metrics on some rows.

    Args:
        objective: in evaluation mode; `requires_grad` says what counts as a parameter.
        piece: rows of a split; only its shapes are used.

    Raises:
        Unsupported: the forward or a metric cannot be traced, or draws random numbers.
    """
    trainable, fixed = split_state(objective)
    leaves, shape = pytree.tree_flatten(piece)
    found: dict[str, torch.dtype] = {}

    def evaluate(parameters: Sequence[Tensor], state: Sequence[Tensor], data: Sequence[Tensor]) -> list[Tensor]:
        named = dict(zip([*trainable, *fixed], [*parameters, *(tensor.clone() for tensor in state)], strict=True))
        with stackable_operations():
            values = functional_call(objective, named, (pytree.tree_unflatten(list(data), shape),), {"evaluate": True})
        found.update({name: value.dtype for name, value in values.items()})
        return [value.reshape(()) for value in values.values()]

    graph, module = _trace(evaluate, list(trainable.values()), list(fixed.values()), leaves)
    if _take_out_draws(graph, len(trainable) + len(fixed) + len(leaves)):
        raise Unsupported("its evaluation draws random numbers")
    constants = _take_out_constants(graph, module)
    graph.eliminate_dead_code()
    return TracedEvaluation(graph, tuple(found), tuple(found.values()), constants)


def trace_update(rule: Rule, scalars: Sequence[str], shapes: Sequence[tuple[int, ...]], dtype: torch.dtype) -> fx.Graph:
    """Trace a rule's update of some tensors, the final addition included.

    Inputs: parameters, gradients, slots (slot by slot, each for all tensors), scalars. Outputs: parameters, slots, and
    one number that is 0 if every new parameter is finite and NaN otherwise.

    Args:
        rule: the rule; its text runs on stand-ins.
        scalars: names of its scalars.
        shapes: of the tensors.
        dtype: in which the update is computed.
    """
    symbols = [slot.symbol for slot in rule.active_slots]

    def update(p: Sequence[Tensor], g: Sequence[Tensor], slots: Sequence[Sequence[Tensor]], c: Sequence[Tensor]) -> Any:
        values = SimpleNamespace(**dict(zip(scalars, c, strict=True)))
        new, states, wrong = [], [], torch.zeros((), dtype=dtype)
        for position, (value, gradient) in enumerate(zip(p, g, strict=True)):
            own = {symbol: slot[position] for symbol, slot in zip(symbols, slots, strict=True)}
            delta, state = rule.update(value, gradient, SimpleNamespace(**own), values)
            after = value + delta
            new.append(after)
            states.append(state)
            # Zero for finite numbers, NaN for others.
            wrong = wrong + (after - after).sum()
        return new, [[state[symbol] for state in states] for symbol in symbols], wrong

    # Tensors of their own for each input: one tensor given twice is traced as one.
    given = [[torch.zeros(shape, dtype=dtype) for shape in shapes] for _ in range(2 + len(symbols))]
    numbers = [torch.zeros((), dtype=dtype) for _ in scalars]
    return trace_text(update, given[0], given[1], given[2:], numbers)


def trace_text(text: Callable[..., Any], *inputs: Any) -> fx.Graph:
    """Trace a rule's text, which gets all its tensors as arguments.

    Args:
        text: a function of trees of tensors.
        inputs: stand-ins; every tensor is an input of the graph.
    """
    graph, module = _trace(text, *inputs)
    if _take_out_constants(graph, module):
        raise Unsupported("the rule uses a tensor of its own")
    graph.eliminate_dead_code()
    return graph


def drop_copies(graph: fx.Graph, sources: Mapping[int, int]) -> frozenset[int]:
    """Leave outputs that are untouched inputs out of a graph; returns the numbers of those that stay.

    Args:
        graph: traced.
        sources: number of an output, and of the input that it may be.
    """
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    output = next(node for node in graph.nodes if node.op == "output")
    leaves = pytree.tree_leaves(output.args[0])
    kept = [n for n, leaf in enumerate(leaves) if n not in sources or not _is_copy(leaf, placeholders[sources[n]])]
    output.args = ([leaves[number] for number in kept],)
    graph.eliminate_dead_code()
    return frozenset(kept)


def _trace(function: Callable[..., Any], *inputs: Any) -> tuple[fx.Graph, fx.GraphModule]:
    module = _traced(torch.func.functionalize(function, remove="mutations"), dict(_decompositions()), *inputs)
    module.graph.eliminate_dead_code()
    return module.graph, module


@functools.cache
def _decompositions() -> Mapping[Any, Any]:
    # torch looks through all its operations for them, which takes longer than tracing a rule.
    return dict(core_aten_decompositions())


def _traced(function: Callable[..., Any], table: Any, *inputs: Any) -> fx.GraphModule:
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make_fx(function, decomposition_table=table, tracing_mode="fake", _allow_non_fake_inputs=True)(*inputs)
    except Unsupported:
        raise
    except Exception as error:  # whatever a user's module or a rule may raise under tracing
        line = next((part.strip() for part in str(error).splitlines() if part.strip()), type(error).__name__)
        raise Unsupported(f"it cannot be traced ({type(error).__name__}: {line[:120]})") from error


class _Layouts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes how the tensors lie in memory that random operations fill."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in func.tags and isinstance(result, Tensor):
            self.found.append((tuple(result.shape), result.stride()))
        return result


def _layouts(objective: nn.Module, batch: Any) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shape and strides of every random tensor of a forward pass, in order: a trace loses the strides."""
    trainable, fixed = split_state(objective)
    named = {name: tensor.clone() for name, tensor in (trainable | fixed).items()}
    # With gradients: a step may differentiate.
    with isolated(0), torch.enable_grad(), stackable_operations(), _Layouts() as layouts:
        functional_call(objective, named, (duplicate(batch),))
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = layouts.found
    return found


def _take_out_draws(graph: fx.Graph, count: int, layouts: Sequence[tuple[tuple[int, ...], tuple[int, ...]]] = ()) -> tuple[Draw, ...]:
    """Turn every random operation into an input."""
    draws: list[Draw] = []
    last = list(graph.nodes)[count - 1]
    for node in list(graph.nodes):
        if node.op != "call_function" or torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
            continue
        result = node.meta["val"]
        if node.target in DRAWS and not any(isinstance(argument, fx.Node) for argument in node.args[1:]):
            if node.target is aten.bernoulli.default:
                raise Unsupported("it draws with probabilities that it computes")
            shape = tuple(result.shape)
            known = layouts[len(draws)] if len(draws) < len(layouts) else (shape, result.stride())
            strides = known[1] if known[0] == shape else result.stride()
            make = _like(DRAWS[node.target], (shape, strides), result.dtype, tuple(node.args[1:]))
        elif node.target in CREATED:
            make = _created(CREATED[node.target], tuple(result.shape), result.dtype)
        else:
            raise Unsupported(f"it draws random numbers by {node.target}")
        with graph.inserting_after(last):
            last = graph.placeholder(f"draw_{len(draws)}")
        last.meta["val"] = result
        node.replace_all_uses_with(last)
        graph.erase_node(node)
        draws.append(Draw(make, tuple(result.shape), result.dtype))
    return tuple(draws)


def _like(
    draw: Callable[..., Tensor], layout: tuple[tuple[int, ...], tuple[int, ...]], dtype: torch.dtype, rest: tuple[Any, ...]
) -> Callable[[], Tensor]:
    # Numbers are drawn in the order of memory, so a permuted tensor gets them in another order.
    return lambda: draw(torch.empty_strided(*layout, dtype=dtype), *rest)


def _created(draw: Callable[..., Tensor], shape: tuple[int, ...], dtype: torch.dtype) -> Callable[[], Tensor]:
    return lambda: draw(shape, dtype=dtype)


def _take_out_constants(graph: fx.Graph, module: fx.GraphModule) -> tuple[Tensor, ...]:
    """Turn tensors that the trace holds into inputs."""
    constants, known = list[Tensor](), dict[str, fx.Node]()
    last = [node for node in graph.nodes if node.op == "placeholder"][-1]
    for node in [node for node in graph.nodes if node.op == "get_attr"]:
        if node.target not in known:
            tensor = getattr(module, node.target)
            with graph.inserting_after(last):
                last = graph.placeholder(f"constant_{len(constants)}")
            last.meta["val"] = torch.empty_like(tensor, device="meta")
            constants.append(tensor.detach().clone().contiguous())
            known[node.target] = last
        node.replace_all_uses_with(known[node.target])
        graph.erase_node(node)
    return tuple(constants)


def _drop_unchanged(graph: fx.Graph, names: Sequence[str], count: int) -> tuple[str, ...]:
    """Leave state that comes out as it went in out of the outputs; returns the names of what stays."""
    placeholders = [node for node in graph.nodes if node.op == "placeholder"][count : count + len(names)]
    output = next(node for node in graph.nodes if node.op == "output")
    leaves = pytree.tree_leaves(output.args[0])
    first, state = leaves[: len(leaves) - len(names)], leaves[len(leaves) - len(names) :]
    changed = []
    for name, node, given in zip(names, state, placeholders, strict=True):
        if not _is_copy(node, given):
            changed.append((name, node))
    output.args = ([*first, *(node for _, node in changed)],)
    return tuple(name for name, _ in changed)


def _is_copy(node: fx.Node, source: fx.Node) -> bool:
    """Whether `node` is `source` or an untouched copy of it."""
    while node.op == "call_function" and node.target in (aten.clone.default, aten.detach.default, aten.alias.default):
        if any(user.target in WRITERS for user in node.users):
            return False
        node = node.args[0]  # type: ignore[assignment]  # a copy's operand is a node
    return node is source


WRITERS = frozenset({aten.native_batch_norm.default, aten._native_batch_norm_legit.default, aten.cudnn_batch_norm.default})
"""Operations that write their running statistics in place, though their schema does not say so."""


def named_offsets(parameters: Mapping[str, Tensor]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Where each parameter begins when all are laid end to end, and its shape."""
    offsets, start = {}, 0
    for name, parameter in parameters.items():
        offsets[name] = (start, tuple(parameter.shape))
        start += parameter.numel()
    return offsets
