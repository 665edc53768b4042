"""A slice of a model's own loss: its values along one or two directions through the space of weights."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["around", "between", "trajectory"]


@dataclass(frozen=True, eq=False)
class LossSlice:
    """A slice.

    Attributes:
        task: name.
        kind: around one model, along the line between two, or in the plane of a training's trajectory.
        x: coordinates along the first direction, ascending, (P,).
        y: along the second, (Q,); None where there is one direction.
        losses: mean training losses, (P,) or (Q, P); NaN where they are not finite.
        path: coordinates of the models that the slice is made of, (models, directions).
        path_losses: their own losses, (models,); those of a trajectory need not lie in the plane.
        explained: shares of the trajectory's variance along both directions; empty for other kinds.
        rows: training rows that every loss is a mean over.
        parameters: numbers that a direction has.
        notes: sentences on what a reader should know.
    """

    task: str
    kind: Kind
    x: np.ndarray = field(repr=False)
    y: np.ndarray | None = field(repr=False)
    losses: np.ndarray = field(repr=False)
    path: np.ndarray = field(repr=False)
    path_losses: np.ndarray = field(repr=False)
    explained: tuple[float, ...]
    rows: int
    parameters: int
    notes: tuple[str, ...] = ()

    @property
    def barrier(self) -> float | None:
        """Along a line between two models: how far its highest point lies above the higher end; None for other kinds."""
        if self.kind != "between":
            return None
        inside = self.losses[(self.x >= 0) & (self.x <= 1)]
        return max(0.0, float(np.nanmax(inside)) - float(self.path_losses.max())) if np.isfinite(inside).any() else None

    def summary(self) -> dict[str, Any]:
        """The slice as JSON values (schema 1)."""
        return {
            "schema": 1,
            "task": self.task,
            "kind": self.kind,
            "x": self.x.tolist(),
            "y": None if self.y is None else self.y.tolist(),
            "losses": _finite(self.losses),
            "path": self.path.tolist(),
            "path_losses": _finite(self.path_losses),
            "explained": list(self.explained),
            "barrier": self.barrier,
            "rows": self.rows,
            "parameters": self.parameters,
            "notes": list(self.notes),
        }


def _finite(values: np.ndarray) -> Any:
    """Nested lists without what JSON has no word for."""
    if values.ndim > 1:
        return [_finite(row) for row in values]
    return [float(value) if np.isfinite(value) else None for value in values]
