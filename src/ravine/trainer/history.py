"""What a training has seen: every training loss, gradient norm and evaluation, none thinned."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(slots=True)
class History:
    """The curves of a training.

    Attributes:
        loss: training loss of every step, a mean over its batch, before the step's update.
        norm: norm of all gradients together at every step, before clipping.
        evaluations: one dictionary each: "step", "loss" and every metric of the task on validation.
        scales: float16 only: (batches drawn, loss scale) at the start and wherever the scale changed.
    """

    loss: "array[float]" = field(default_factory=lambda: array("d"))
    norm: "array[float]" = field(default_factory=lambda: array("d"))
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    scales: list[tuple[int, float]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.loss)

    def step(self, loss: float, norm: float) -> None:
        """Take in a step."""
        self.loss.append(loss)
        self.norm.append(norm)

    def scale(self, drawn: int, scale: float | None) -> None:
        """Take in the loss scale, where there is one and it changed."""
        if scale is not None and (not self.scales or self.scales[-1][1] != scale):
            self.scales.append((drawn, scale))

    def tensors(self) -> dict[str, Tensor]:
        """The curves of every step, for a checkpoint."""
        return {f"history.{name}": torch.tensor(getattr(self, name), dtype=torch.float64) for name in ("loss", "norm")}

    def state(self) -> dict[str, Any]:
        """The rest, as JSON values."""
        return {"evaluations": self.evaluations, "scales": self.scales}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> "History":
        """What `tensors` and `state` gave."""
        loss, norm = (array("d", tensors[f"history.{name}"].tolist()) for name in ("loss", "norm"))
        return cls(loss, norm, list(state["evaluations"]), [(int(drawn), float(scale)) for drawn, scale in state["scales"]])
