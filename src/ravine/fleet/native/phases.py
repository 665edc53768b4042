"""One phase of a rule's step for one tensor, as a native function: what it measures for the whole model, or its update."""

import dataclasses
import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor

from ravine.fleet.native.functions import Function
from ravine.fleet.native.program import Program, generate
from ravine.fleet.native.tracing import FLAT_LENGTH, drop_copies, trace_text
from ravine.fleet.native.values import Unsupported
from ravine.rules import Rule

Phase: TypeAlias = Literal["measure", "update"]

VALUE, GRADIENT, SLOTS = 0, 1, 2
"""Where the fields of a tensor stand: its value, its gradient, then its slots."""


@final
class PhaseFunction(Function):
    """The generated function; its inputs are the fields and the scalars, its outputs the fields that change and the terms.

    Args:
        rule: with its flags.
        phase: which method of the rule.
        scalars: names of what the method finds in `c`.
        shape: of the tensor; None for a row of any length, for rules that work element by element.
        dtype: of all fields.

    Attributes:
        shapes: of the fields; of a row's, (1,) where one number stands for the whole tensor.
        rows: for every field, whether it has an element for each of a row of any length.
        changed: numbers of the fields among the outputs, in their order.
        shared: those of them that may be written where they are read.
        terms: names of the sums' terms, in the order of the outputs after the fields.

    Raises:
        Unsupported: there is no native code for it.
    """

    def __init__(self, rule: Rule, phase: Phase, scalars: Sequence[str], shape: tuple[int, ...] | None, dtype: torch.dtype) -> None:
        whole = (FLAT_LENGTH,) if shape is None else tuple(shape)
        self.shapes = [whole, whole, *(slot.shape_for(whole) for slot in rule.active_slots)]
        self.rows = [shape is None and own == whole for own in self.shapes]
        if shape is None and any(own not in (whole, ()) for own in self.shapes):
            raise Unsupported(f"{rule.name} keeps slots of a shape of their own")
        run = _Text(rule, phase, list(scalars))
        given = [torch.zeros(own, dtype=dtype) for own in self.shapes]
        graph = trace_text(run, given, [torch.zeros((), dtype=dtype) for _ in scalars])
        fields = [VALUE, *range(SLOTS, len(self.shapes))]
        kept = sorted(drop_copies(graph, dict(enumerate(fields))))
        self.changed = tuple(fields[number] for number in kept if number < len(fields))
        self.terms = run.terms
        wanted = list(enumerate(self.changed))
        program = generate(graph, f"ravine_{phase}", dtype, symbolic=FLAT_LENGTH if shape is None else None, in_place=wanted)
        self.shared = frozenset(self.changed[number] for number in program.shared)
        super().__init__(_renumbered(program), dtype)


class _Text:
    """A phase as a function of tensors alone, which returns a tree of every field but the gradient, then the terms."""

    def __init__(self, rule: Rule, phase: Phase, scalars: Sequence[str]) -> None:
        self._rule, self._phase, self._names = rule, phase, scalars
        self.terms: tuple[str, ...] = ()

    def __call__(self, fields: Sequence[Tensor], scalars: Sequence[Tensor]) -> Any:
        p, g, *slots = fields
        own = {slot.symbol: value for slot, value in zip(self._rule.active_slots, slots, strict=True)}
        s, c = SimpleNamespace(**own), SimpleNamespace(**dict(zip(self._names, scalars, strict=True)))
        if self._phase == "measure":
            terms, state = self._rule.measure(p, g, s, c)
            self.terms = tuple(terms)
            return [p, *(own | state).values()], [term.reshape(()) for term in terms.values()]
        delta, state = self._rule.update(p, g, s, c)
        return [p + delta, *(own | state).values()], []


def _renumbered(program: Program) -> Program:
    """The same text with buffers numbered from 0, so that a library on disk serves whatever was generated before it."""
    known: dict[str, str] = {}
    text = re.sub(r"\bb\d+\b", lambda found: known.setdefault(found[0], f"b{len(known)}"), program.source)
    return dataclasses.replace(program, source=text)
