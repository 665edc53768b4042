"""The compiled tile step: traced once with `make_fx`, compiled by Inductor, called without Dynamo.

`torch.compile` pays Dynamo's guards at every call and cannot follow every user's module; tracing the stacked step
itself records plain aten operations, whatever Python produced them, and a call costs only the compiled code.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.fleet.ascent import Ascent
from ravine.fleet.curvature import Curvature, wants
from ravine.fleet.data import duplicate
from ravine.fleet.gradients import StackedGradient
from ravine.fleet.lanes import Group
from ravine.fleet.stacking import Replicas
from ravine.fleet.stepping import finite_lanes, keep_frozen, propose
from ravine.rules import Rule
from ravine.tasks.kinds import Kind

Step = Callable[[Replicas, Sequence[Tensor], Tensor, Any], tuple[Tensor, Tensor]]
"""(state changed in place, packed scalars of each group, alive_L, batch) -> (loss_L, alive_L after the step)."""


def unpack(names: Sequence[Sequence[str]], packed: Sequence[Tensor]) -> list[dict[str, Tensor]]:
    """Scalars of each group from one (scalars, lanes) tensor a group."""
    return [dict(zip(keys, block.unbind(0), strict=True)) for keys, block in zip(names, packed, strict=True)]


def functional_step(
    gradient: StackedGradient,
    groups: Sequence[Group],
    names: Sequence[Sequence[str]],
    kinds: Mapping[str, Kind],
    *,
    shares_batch: bool = True,
    curvature: Curvature | None = None,
) -> Callable[..., Any]:
    """One step of a tile as a function of its whole state, nothing changed in place; `curvature` for rules that need it."""
    ascent = Ascent(gradient, groups, kinds, shares_batch=shares_batch)

    def step(  # noqa: PLR0917 - positional, as a graph's inputs are
        state: Replicas, packed: Sequence[Tensor], alive_L: Tensor, batch: Any, rules: Sequence[Rule] | None = None, t: int = 0
    ) -> tuple[Replicas, Tensor, Tensor]:
        is_informed = curvature is not None and any(map(wants, rules or ()))
        spare = duplicate(batch) if ascent.is_needed or is_informed else None
        gradients, loss_L, buffers = gradient(state.parameters, state.buffers, batch)
        if ascent.is_needed:
            gradients = ascent.gradients(state.parameters, buffers, gradients, unpack(names, packed), spare)
        # Last, since its draws would move those of a second gradient.
        known = curvature.join(groups, rules, state, spare, t) if curvature and rules and is_informed else state
        new = propose(groups, known, gradients, unpack(names, packed), kinds=kinds, rules=rules)
        new.buffers = buffers
        keep_L = alive_L & finite_lanes(loss_L, new.parameters)
        return new, loss_L, keep_L

    return step


def compile_step(
    step: Callable[..., tuple[Replicas, Tensor, Tensor]], groups: Sequence[Group], state: Replicas, example: tuple[Any, ...]
) -> tuple[Step, float]:
    """Compile `functional_step` for the shapes of `state` and `example`.

    Args:
        step: the functional step.
        groups: groups of the tile.
        state: the tile's state; only its shapes are used, it is not changed.
        example: packed scalars, alive mask and batch of one step.

    Returns:
        A step that changes the state in place, and the seconds that compiling took.
    """
    from torch._guards import TracingContext, tracing
    from torch._inductor import config
    from torch._inductor.compile_fx import compile_fx
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    started = time.perf_counter()
    shape = pytree.tree_structure((_tree(state), *example))

    def in_place(*leaves: Tensor) -> tuple[Tensor, Tensor]:
        tree, packed, alive_L, batch = pytree.tree_unflatten(leaves, shape)
        old = Replicas(*tree)
        new, loss_L, keep_L = step(old, packed, alive_L, batch)
        kept = keep_frozen(keep_L, groups, new, old)
        for target, value in zip(pytree.tree_leaves(_tree(old)), pytree.tree_leaves(_tree(kept)), strict=True):
            target.copy_(value)
        return loss_L, keep_L

    leaves = [leaf.clone() for leaf in pytree.tree_leaves((_tree(state), *example))]
    # 17: softmax over up to 16 classes is unrolled into the loop over lanes instead of becoming a loop of its own.
    settings = {"unroll_reductions_threshold": 17, "compile_threads": 1, "fallback_random": True}
    with torch.no_grad(), config.patch(settings):
        graph = make_fx(in_place)(*leaves)
        for node in graph.graph.nodes:
            node.meta.clear()
        # A shape environment, though every shape is static: without one Inductor leaves its disk cache unused.
        fakes = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv(assume_static_by_default=True))
        with tracing(TracingContext(fakes)):
            run: Callable[..., Any] = compile_fx(graph, leaves)  # type: ignore[assignment]  # typed for AOT packages too
        run(*leaves)

    def call(state: Replicas, packed: Sequence[Tensor], alive_L: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        loss_L, keep_L = run(*pytree.tree_leaves((_tree(state), packed, alive_L, batch)))
        return loss_L, keep_L

    return call, time.perf_counter() - started


def _tree(state: Replicas) -> tuple[Any, ...]:
    return state.parameters, state.buffers, state.slots
