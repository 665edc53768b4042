"""The rung `gradient check`: derivatives that the user wrote, against differences of the function itself, in float64."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.doctor.outcome import Outcome, judged, unknown
from ravine.doctor.subject import Subject
from ravine.fleet.data import duplicate
from ravine.records.findings import Finding, Severity
from ravine.tasks._randomness import isolated

CHECK = "gradient check"
GOOD, FINE, WRONG = 1e-7, 1e-4, 1e-2
"""Relative errors: as in double precision, as beside a kink, and wrong."""
DIRECTIONS, REACH = 4, 1e-6
"""Random directions, and the length of a difference relative to the input."""
_CS231N = "Stanford CS231n, Neural networks part 3"

Call = tuple[Any, ...]


def gradient_check(subject: Subject) -> Outcome:
    """Every custom `autograd.Function` that the loss goes through, on the inputs that it gets there."""
    objective = subject.objective()
    with isolated(0), torch.enable_grad():
        kinds = _functions(objective(duplicate(subject.batch)))
    if not kinds:
        return judged(CHECK, "no custom autograd.Function")
    with isolated(0), torch.enable_grad(), _recorded(kinds) as calls:
        objective(duplicate(subject.batch))
    errors = {kind.__name__: relative_error(kind, calls[kind]) for kind in kinds if kind in calls}
    missed = [kind.__name__ for kind in kinds if kind.__name__ not in errors or math.isnan(errors[kind.__name__])]
    measured = ", ".join([*(f"{name} {error:.2g}" for name, error in errors.items()), *(f"{name} not reached" for name in missed)])
    findings = [_finding(name, error) for name, error in errors.items() if error > FINE]
    if missed and not findings:
        return unknown(CHECK, measured)
    return judged(CHECK, measured, findings)


def _finding(name: str, error: float) -> Finding:
    severity: Severity = "error" if error > WRONG else "warning"
    title = "a custom gradient is wrong" if error > WRONG else "a custom gradient is inexact"
    remedy = (
        f"torch.autograd.gradcheck({name}.apply, inputs.double()) shows which part of backward(); a straight-through one is meant to be so."
    )
    return Finding(severity, CHECK, title, f"relative error {error:.2g}", f"{GOOD:g} is good, {WRONG:g} wrong", _CS231N, name, remedy)


def _functions(loss: Tensor) -> list[Any]:
    """Classes of custom functions in the graph behind a loss."""
    found, seen, waiting = dict[Any, None](), set[Any](), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        kind = getattr(node, "_forward_cls", None)
        # torch's own functions (checkpoints, DDP) are not the user's to correct.
        if kind is not None and not kind.__module__.startswith("torch."):
            found[kind] = None
        waiting += [above for above, _ in node.next_functions]
    return list(found)


@contextmanager
def _recorded(kinds: list[Any]) -> Iterator[dict[Any, Call]]:
    """The arguments of the first call of each function in the block."""
    calls: dict[Any, Call] = {}

    def recorder(kind: Any, original: Any) -> Any:
        def apply(*args: Any) -> Any:
            calls.setdefault(kind, pytree.tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, Tensor) else leaf, args))
            return original(*args)

        return staticmethod(apply)

    for kind in kinds:
        kind.apply = recorder(kind, kind.apply)
    try:
        yield calls
    finally:
        for kind in kinds:
            del kind.apply


def relative_error(kind: Any, args: Call) -> float:
    """The largest relative error of a function's derivative along random directions; NaN if it has none to check.

    For directions u of the inputs and v of the outputs, <v, (f(x + e u) - f(x - e u)) / 2 e> against <J^T v, u>.

    Args:
        kind: the `autograd.Function`.
        args: of a call; floating tensors among them are taken in float64.
    """
    generator = torch.Generator().manual_seed(derive(0, "gradient check"))
    given = [arg.double() if isinstance(arg, Tensor) and arg.is_floating_point() else arg for arg in args]
    places = [place for place, arg in enumerate(given) if isinstance(arg, Tensor) and arg.is_floating_point()]
    found = [_along(kind, given, places, generator) for _ in range(DIRECTIONS)]
    # Where a direction carries next to nothing, its error is rounding.
    scale = max((abs(numeric) for _, numeric in found), default=0.0)
    pairs = [(a, n) for a, n in found if max(abs(a), abs(n)) > 1e-3 * scale]
    return max((abs(a - n) / max(abs(a), abs(n)) for a, n in pairs if a != n), default=0.0 if found and places else math.nan)


def _along(kind: Any, given: list[Any], places: list[int], generator: torch.Generator) -> tuple[float, float]:
    """The derivative along random directions: as the function has it, and by differences."""
    leaves = {place: given[place].clone().requires_grad_() for place in places}
    ways = {place: torch.randn(given[place].shape, generator=generator, dtype=torch.float64) for place in places}
    with torch.enable_grad():
        outputs = _tensors(kind.apply(*[leaves.get(place, arg) for place, arg in enumerate(given)]))
    weights = [torch.randn(out.shape, generator=generator, dtype=torch.float64) for out in outputs]
    with torch.enable_grad():
        total = torch.stack([(out * weight).sum() for out, weight in zip(outputs, weights, strict=True)]).sum()
    gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True) if total.requires_grad else [None] * len(leaves)
    analytic = sum(float((g * ways[place]).sum()) for place, g in zip(leaves, gradients, strict=True) if g is not None)
    # An input without a derivative is held still.
    moved = [place for place, g in zip(leaves, gradients, strict=True) if g is not None]
    reach = REACH * max([1.0, *(float(given[place].abs().max()) for place in moved if given[place].numel())])
    sums = []
    for sign in (1, -1):
        shifted = [arg + sign * reach * ways[place] if place in moved else arg for place, arg in enumerate(given)]
        with torch.no_grad():
            outs = _tensors(kind.apply(*shifted))
        sums.append(math.fsum(float((out * weight).sum()) for out, weight in zip(outs, weights, strict=True)))
    return analytic, (sums[0] - sums[1]) / (2 * reach)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
