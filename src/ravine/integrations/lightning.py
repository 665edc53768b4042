"""`ravine.watch` as a callback of Lightning: `Trainer(callbacks=[Watch()])`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ravine.base._extras import require
from ravine.doctor.watch import Watch as Loop
from ravine.records.findings import Diagnosis, Finding

if TYPE_CHECKING:
    Callback: Any = object
else:
    Callback = require("lightning.pytorch.callbacks", extra="lightning", purpose="ravine.integrations.lightning").Callback


class Watch(Callback):  # type: ignore[misc]  # Lightning may not be installed where types are checked
    """Watches a `fit` from its start to its end.

    Args:
        every: steps between two looks.
        record: file for everything seen, which `ravine show` opens.
        callback: told of every finding when it arises first.

    Attributes:
        diagnosis: findings and rungs, as of the last judgement; None before a fit.
    """

    def __init__(self, *, every: int = 300, record: str | Path | None = None, callback: Callable[[Finding], object] | None = None) -> None:
        self._settings: dict[str, Any] = {"every": every, "record": record, "callback": callback}
        self._loop: Loop | None = None
        self._steps = 0

    @property
    def diagnosis(self) -> Diagnosis | None:
        """Findings and rungs."""
        return None if self._loop is None else self._loop.diagnosis

    @property
    def findings(self) -> list[Finding]:
        """Most severe first."""
        return [] if self._loop is None else self._loop.findings

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Optimizers are there; hooks are put in place."""
        self._loop = Loop(pl_module, trainer.optimizers, **self._settings)
        self._loop.begin()
        self._steps = trainer.global_step

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """A batch has been seen; of several that are accumulated, the last ends the step."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if self._loop is None or not isinstance(loss, Tensor) or trainer.global_step == self._steps:
            return
        self._steps = trainer.global_step
        configured = trainer.lr_scheduler_configs
        schedule = configured[0].scheduler if configured else None
        self._loop.step(loss, scaler=getattr(trainer.precision_plugin, "scaler", None), schedule=schedule)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """What was logged in validation, under the names that it was logged by."""
        if self._loop is None or trainer.sanity_checking:
            return
        known = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith(("val_", "val/", "valid"))}
        named: dict[str, Any] = {"loss" if name.endswith("loss") else name: value for name, value in known.items()}
        if named:
            self._loop.validation(**named)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Everything is taken away, and the whole is judged."""
        if self._loop is not None:
            self._loop.close(is_whole=not trainer.interrupted)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The same of a fit that did not come to its end."""
        if self._loop is not None:
            self._loop.close(is_whole=False)
