"""A training in experiment trackers while it runs: an observer for each, which writes what an export of a race writes.

Losses, gradient norms and rates stand at the step before whose update they were measured, evaluations at the number of
steps taken, as in an export. Nothing leaves this machine: W&B works offline, unless its own variable WANDB_MODE says
otherwise, and MLflow writes to a folder, unless it is given the address of a server.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.report.runs import MLflowStore, Run, TensorBoardRun, WandbRun, require_all
from ravine.report.trackers import TRAINING

if TYPE_CHECKING:
    from ravine.trainer import Began, Event, Observer

MODULES = {"tensorboard": "tensorboard.summary.writer.event_file_writer", "mlflow": "mlflow.tracking", "wandb": "wandb"}
"""Trackers, and what each needs."""
GRADIENT_NORM, RATE, SCALE = "train/gradient_norm", "train/lr", "train/loss_scale"

Begin: TypeAlias = "Callable[[Began], Run]"
"""Makes the run when the training begins."""


class TrainingLog:
    """An observer that logs a training as one run.

    Args:
        begin: makes the run.
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._run: Run | None = None

    def __call__(self, event: "Event") -> None:
        """Take in what happened."""
        from ravine.trainer import Began, Evaluated, Skipped, Stepped  # noqa: PLC0415 - torch

        if isinstance(event, Began):
            self._run = self._begin(event)
        if self._run is None:
            return
        if isinstance(event, Stepped):
            self._run.log(event.step - 1, {TRAINING: event.loss, GRADIENT_NORM: event.norm, RATE: event.lr})
        elif isinstance(event, Skipped):
            self._run.log(event.step, {SCALE: event.scale})
        elif isinstance(event, Evaluated):
            self._run.log(event.step, {f"{event.split}/{name}": value for name, value in event.values.items()})
            self._run.flush()

    def close(self) -> None:
        """No events follow."""
        if self._run is not None:
            self._run.finish()
            self._run = None


@contextmanager
def logged(log: str | Sequence[str] | None, name: str, out: Path | None, observer: "Observer | None") -> Iterator["Observer | None"]:
    """An observer that logs, too, for a training in the block; runs are closed whatever ends it.

    Args:
        log: "tensorboard", "mlflow" or "wandb", each with ":FOLDER" or without; MLflow's may be a server's address.
        name: of the task.
        out: the training's folder, in which logs lie that name no folder of their own.
        observer: told of everything, too.

    Raises:
        UnknownNameError: no such tracker.
        MissingExtraError: it is not installed.
        InputError: there is no folder, or it cannot be written.
    """
    texts = [log] if isinstance(log, str) else list(log or ())
    logs = [TrainingLog(_beginner(text, name, out)) for text in texts]
    if not logs:
        yield observer
        return

    def tell(event: "Event") -> None:
        # Logs first: to begin a run takes seconds, which are none of the training's.
        for one in (*logs, observer):
            if one is not None:
                one(event)

    with ExitStack() as stack:
        for one in logs:
            stack.callback(one.close)
        yield tell


def _beginner(text: str, name: str, out: Path | None) -> Begin:
    """What makes the run of a tracker; what can be refused before the training is refused here."""
    kind, _, place = (part.strip() for part in text.partition(":"))
    if kind not in MODULES:
        raise unknown_name("tracker", kind, MODULES)
    require_all(kind, MODULES[kind])
    if not place and out is None:
        raise InputError(f"log={text!r} without out: there is no folder to write to. Name one, such as {kind}:logs.", given=text)
    if kind == "mlflow" and "://" in place:
        return lambda began: _mlflow(place, name, began)
    # W&B makes a folder of its name itself.
    folder = Path(place) if place or out is None else out if kind == "wandb" else out / kind
    if kind == "tensorboard":
        return lambda began: TensorBoardRun(_made(folder), since=began.step + 1 if began.step else 0)
    if kind == "mlflow":
        return lambda began: _mlflow(_made(folder), name, began)
    return lambda began: _wandb(_made(folder), name, began)


def _mlflow(place: Path | str, name: str, began: "Began") -> Run:
    return MLflowStore(place, name).run(_run_name(name, began), began.described, {"stage": "training"})


def _wandb(folder: Path, name: str, began: "Began") -> Run:
    mode = os.environ.get("WANDB_MODE", "offline")
    return WandbRun(folder, _run_name(name, began), began.described, group=name, job_type="training", mode=mode)


def _run_name(name: str, began: "Began") -> str:
    """A training that goes on is a run of its own, where a tracker cannot add to one."""
    return f"{name} from step {began.step}" if began.step else name


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        given = f"{folder} cannot be written ({error.strerror or error})"
        raise InputError(f"{given}: a tracker's log needs a folder. Name another, such as tensorboard:logs.", given=folder) from error
    return folder
