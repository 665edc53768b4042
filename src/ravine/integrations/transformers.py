"""`ravine.watch` as a callback of the Trainer of transformers: `Trainer(..., callbacks=[Watch()])`."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ravine.base._extras import require
from ravine.doctor.watch import Watch as Loop
from ravine.records.findings import Diagnosis, Finding

if TYPE_CHECKING:
    TrainerCallback: Any = object
else:
    TrainerCallback = require("transformers", extra="transformers", purpose="ravine.integrations.transformers").TrainerCallback

EVALUATED = "eval_"
"""Begins the names of what the Trainer evaluates."""
TIMES = ("runtime", "per_second", "epoch", "preparation_time")
"""Words of what is no measure of the model."""


class Watch(TrainerCallback):  # type: ignore[misc]  # transformers may not be installed where types are checked
    """Watches a `train()` from its start to its end.

    A Trainer tells nobody of an exception. After one, everything is taken away by `close()`, at the next start, or once Trainer
    and callback are no longer there.

    Args:
        every: steps between two looks.
        record: file for everything seen, which `ravine show` opens.
        callback: told of every finding when it arises first.
    """

    def __init__(self, *, every: int = 300, record: str | Path | None = None, callback: Callable[[Finding], object] | None = None) -> None:
        self._settings: dict[str, Any] = {"every": every, "record": record, "callback": callback}
        self._loop: Loop | None = None
        self._closing: weakref.finalize[..., Any] | None = None
        self._losses: list[Tensor] = []

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Findings and rungs, as of the last judgement; None before a training."""
        return None if self._loop is None else self._loop.diagnosis

    @property
    def findings(self) -> list[Finding]:
        """Most severe first."""
        return [] if self._loop is None else self._loop.findings

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: Any, optimizer: Any, **others: Any) -> None:
        """Model and optimizer are there; hooks are put in place."""
        self.close()
        self._loop = Loop(model, optimizer, **self._settings)
        self._loop.begin()
        self._losses.clear()
        # The Trainer tells callbacks no loss of a step: it is the model's own output.
        handle = model.register_forward_hook(_keeping(self._losses))
        self._closing = weakref.finalize(self, _interrupt, self._loop, handle)

    def on_step_end(self, args: Any, state: Any, control: Any, *, lr_scheduler: Any = None, **others: Any) -> None:
        """An optimizer has stepped."""
        if self._loop is None or not self._losses:
            return
        self._loop.step(sum(self._losses) / len(self._losses), schedule=lr_scheduler)
        self._losses.clear()

    def on_evaluate(self, args: Any, state: Any, control: Any, *, metrics: Any = None, **others: Any) -> None:
        """What was evaluated."""
        known = {name.removeprefix(EVALUATED): value for name, value in (metrics or {}).items() if name.startswith(EVALUATED)}
        known = {name: value for name, value in known.items() if isinstance(value, int | float) and not any(word in name for word in TIMES)}
        if self._loop is not None and known:
            self._loop.validation(**known)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Everything is taken away, and the whole is judged."""
        if self._loop is not None:
            self._loop.close()
            self.close()

    def close(self) -> None:
        """Take everything away after a `train()` that raised; after one that ended, it does nothing."""
        if self._closing is not None:
            self._closing()


def _interrupt(loop: Loop, handle: Any) -> None:
    handle.remove()
    loop.close(is_whole=False)


def _keeping(losses: list[Tensor]) -> Callable[[Any, Any, Any], None]:
    """A hook that holds no callback, so that this one can go away before its model does."""

    def forwarded(module: Any, given: Any, output: Any) -> None:
        loss = output.get("loss") if hasattr(output, "get") else None
        if isinstance(loss, Tensor) and loss.requires_grad and loss.numel() == 1:
            losses.append(loss.detach().reshape(()).clone())

    return forwarded
