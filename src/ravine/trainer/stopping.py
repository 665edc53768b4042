"""Early stopping: the best evaluation so far, and when to stop waiting for a better one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Stopping:
    """Keeps the best value of one metric, and counts the evaluations since.

    A value that is not finite is never the best. An equal one is no improvement.

    Attributes:
        monitor: "loss" or a metric of the task, on validation.
        higher_is_better: which way is up.
        patience: evaluations without improvement after which the training ends; None for never.
        best: the best value; None before the first finite one.
        step: where it was reached.
        waited: evaluations since then.

    Example:
        >>> stopping = Stopping("loss", higher_is_better=False, patience=1)
        >>> stopping.take(10, {"loss": 1.0}), stopping.take(20, {"loss": 2.0}), stopping.is_over
        (True, False, True)
    """

    monitor: str
    higher_is_better: bool
    patience: int | None = None
    best: float | None = None
    step: int = 0
    waited: int = 0

    def take(self, step: int, values: Mapping[str, float]) -> bool:
        """Take in an evaluation; whether it is the best so far."""
        value = values[self.monitor]
        sign = 1.0 if self.higher_is_better else -1.0
        if math.isfinite(value) and (self.best is None or sign * value > sign * self.best):
            self.best, self.step, self.waited = value, step, 0
            return True
        self.waited += 1
        return False

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON values."""
        return {"best": self.best, "step": self.step, "waited": self.waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.best, self.step, self.waited = state["best"], state["step"], state["waited"]
