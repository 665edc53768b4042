"""Functions of tensors as generated code: traced as the fleet traces them, many in one library, run and compared with torch."""

import ctypes
import functools

import pytest
import torch
from torch import fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from ravine.fleet.native import toolchain
from ravine.fleet.native.functions import kernel_table, pointers, scratch
from ravine.fleet.native.program import generate
from ravine.fleet.native.tracing import _trace


def traced(function, inputs):
    """The graph of a function of tensors, after the decompositions that the fleet uses."""
    graph, _ = _trace(lambda tensors: function(*tensors), list(inputs))
    return graph


def called(cases, decompositions=None):
    """The graph of each case's call; traced together, since a trace costs as much as a hundred calls."""
    # Clones: a tensor given twice is traced as one.
    tensors = [[tensor.clone() for tensor in case.inputs] for case in cases]

    counts = []

    def all_of_them(given):
        results = [pytree.tree_leaves(case.call(*own)) for case, own in zip(cases, given, strict=True)]
        counts[:] = map(len, results)
        return [leaf for leaves in results for leaf in leaves]

    pure = torch.func.functionalize(all_of_them, remove="mutations") if decompositions else all_of_them
    whole = make_fx(pure, decomposition_table=decompositions)(tensors).graph
    placeholders = iter([node for node in whole.nodes if node.op == "placeholder"])
    results = iter(pytree.tree_leaves(next(node for node in whole.nodes if node.op == "output").args[0]))
    order = {node: number for number, node in enumerate(whole.nodes)}
    parts = [([next(placeholders) for _ in own], [next(results) for _ in range(count)]) for own, count in zip(tensors, counts, strict=True)]
    return [_part(inputs, found, order) for inputs, found in parts]


def _part(inputs, results, order):
    """The part of a graph that leads from inputs to results."""
    needed, stack = set(inputs), list(results)
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack += node.all_input_nodes
    graph, copies = fx.Graph(), {}
    for node in sorted(needed, key=order.__getitem__):
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output([copies[node] for node in results])
    return graph


def targets(graph):
    """The operations of a graph."""
    return {node.target for node in graph.nodes if node.op == "call_function"}


class Library:
    """Graphs generated into one text, so that many cases cost one run of the compiler.

    Graphs of one library share their kernels' element type, which only products, convolutions and pooling look at.
    """

    def __init__(self, element=torch.float32):
        self._element, self._texts, self._programs, self._loaded = element, [], {}, None

    def add(self, key, graph):
        """Generate a graph; raises Unsupported if there is no native code for it."""
        program = generate(graph, f"case_{len(self._texts)}", self._element)
        includes, text = program.source.split("namespace {", 1)
        self._texts.append(f"{includes}namespace n{len(self._texts)} {{ namespace {{{text}}}\n")
        results = pytree.tree_leaves(next(node for node in graph.nodes if node.op == "output").args[0])
        self._programs[key] = program, [(tuple(r.meta["val"].shape), r.meta["val"].dtype) for r in results]

    def run(self, key, inputs):
        """Call the generated function of a graph; returns its outputs, filled with 77 beforehand."""
        if toolchain.compiler() is None:
            pytest.skip("no C++ compiler was found")
        if self._loaded is None:
            self._loaded = toolchain.build("\n".join(self._texts))
        program, results = self._programs[key]
        function = getattr(self._loaded, program.name)
        function.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 4]
        outputs = [torch.full(shape, 77, dtype=torch.uint8).to(dtype) for shape, dtype in results]
        memory, place = scratch(program.scratch_bytes(lambda: kernel_table(self._element).contents))
        memory.fill_(0x55)  # nobody may rely on scratch memory being zero
        given = [tensor.contiguous() for tensor in inputs]
        function(0, pointers(given), pointers(outputs), place, ctypes.cast(kernel_table(self._element), ctypes.c_void_p))
        return outputs


def compare(found, wanted, tolerance):
    """Assert that two lists of tensors agree: infinities and NaN in the same places, numbers to `tolerance`, integers exactly."""
    assert len(found) == len(wanted)
    for mine, other in zip(found, wanted, strict=True):
        assert mine.shape == other.shape
        assert mine.dtype == other.dtype
        if mine.dtype == torch.bool:
            assert mine.view(torch.uint8).max() <= 1, "a truth value is one or zero in memory"
        exact = not other.dtype.is_floating_point
        limits = {"rtol": 0, "atol": 0} if exact else {"rtol": tolerance, "atol": tolerance}
        torch.testing.assert_close(mine, other, equal_nan=True, **limits)


class Table:
    """Cases of one table, in one library for each element type.

    Args:
        cases: each has `id`, `element`, `call`, `inputs` and `limit`.
        decompositions: of torch; none where operations are called by their own names.
    """

    def __init__(self, cases, decompositions=None):
        self._cases, self._decompositions = list(cases), decompositions

    @functools.cached_property
    def graphs(self):
        """The graph of each case, by its id."""
        return dict(zip([case.id for case in self._cases], called(self._cases, self._decompositions), strict=True))

    @functools.cached_property
    def _libraries(self):
        libraries = {}
        for case in self._cases:
            libraries.setdefault(case.element, Library(case.element)).add(case.id, self.graphs[case.id])
        return libraries

    def check(self, case):
        """Compare the generated function of a case with torch."""
        found = self._libraries[case.element].run(case.id, case.inputs)
        compare(found, pytree.tree_leaves(case.call(*case.inputs)), case.limit)
