"""Loss and metrics of one lane in native code."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.fleet.agreement import TOLERANCE, is_close, shrink
from ravine.fleet.native.functions import Function, Functions, element_type, form, pointers, scratch
from ravine.fleet.native.program import generate
from ravine.fleet.native.tracing import trace_evaluation
from ravine.fleet.native.values import Unsupported
from ravine.fleet.stacking import split_state

MOST_ROWS = 512
"""Rows that are evaluated at a time: their activations stay in the cache."""

WORTH = 2e5
"""Rows times parameters of an evaluation from which building a function for it pays; below, stacked calls are as good."""


def rows_at_a_time(total: int) -> int:
    """Rows of a piece, so that a split falls into equal ones where it can: each length needs a function."""
    divisors = [rows for rows in range(min(total, MOST_ROWS), MOST_ROWS // 8, -1) if total % rows == 0]
    return divisors[0] if divisors else min(total, MOST_ROWS)


@final
class EvaluationFunction(Function):
    """Loss and metrics of one lane on some rows.

    Args:
        objective: the model with its loss and metrics; what needs no gradient counts as state.
        piece: rows of a split.

    Attributes:
        names: of the loss and the metrics.
    """

    def __init__(self, objective: nn.Module, piece: Any) -> None:
        trainable, _ = split_state(objective)
        dtype = element_type(list(trainable.values()))
        traced = trace_evaluation(objective.eval(), piece)
        super().__init__(generate(traced.graph, "ravine_evaluation", dtype), dtype)
        self.names, self._constants = traced.names, traced.constants
        self._outputs = [torch.zeros((), dtype=kind) for kind in traced.dtypes]

    def evaluate(self, parameters: Sequence[Tensor | int], state: Sequence[Tensor], piece: Any, place: int) -> dict[str, float]:
        """The values of one lane.

        Args:
            parameters: tensors or their addresses, in the model's order.
            state: buffers and frozen parameters.
            piece: rows, contiguous.
            place: of aligned scratch memory.
        """
        inputs = pointers([*parameters, *state, *pytree.tree_leaves(piece), *self._constants])
        self.enter(0, inputs, pointers(self._outputs), place)
        return dict(zip(self.names, (float(value) for value in self._outputs), strict=True))

    def check(self, objective: nn.Module, piece: Any) -> None:
        """Compare with torch on some rows.

        Raises:
            Unsupported: the numbers differ by more than rounding.
        """
        shrink(objective)
        trainable, fixed = split_state(objective)
        memory, place = scratch(self.scratch_bytes)
        state = [tensor.clone().contiguous() for tensor in fixed.values()]
        values = self.evaluate([tensor.contiguous() for tensor in trainable.values()], state, piece, place)
        with torch.no_grad():
            wanted: Mapping[str, Tensor] = objective.eval()(piece, evaluate=True)
        pairs = [(torch.tensor(values[name], dtype=torch.float64), wanted[name].double()) for name in self.names]
        if not all(is_close(value, reference, 1.0, TOLERANCE[self.dtype]) for value, reference in pairs):
            raise Unsupported("native code gave other metrics than torch")
        del memory


def evaluation(functions: Functions, piece: Any) -> EvaluationFunction:
    """The evaluation of a fleet's model on rows like these, built once.

    Raises:
        Unsupported: there is none; the same reason each time.
    """

    def make() -> EvaluationFunction:
        function = EvaluationFunction(functions.objective(), piece)
        function.check(functions.objective(), piece)
        return function

    found: EvaluationFunction = functions.once(("evaluation", form(piece)), make)
    return found
