"""The training loop, top to bottom; `ravine.trainer.events` shows it as pseudocode."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ravine.base.errors import DivergedError, RecordError
from ravine.fleet.devices import repeatable
from ravine.fleet.durable import reason
from ravine.optim import clip_grad_norm_
from ravine.tasks import Task
from ravine.tasks._randomness import isolated
from ravine.trainer.checkpoint import BEST, MODEL, Checkpoints, write
from ravine.trainer.events import Began, Ended, Evaluated, Noted, Observer, Reason, Saved, Skipped, Stepped, unobserved
from ravine.trainer.history import History
from ravine.trainer.interruption import Asked, listening
from ravine.trainer.making import set_rate, takes_two
from ravine.trainer.settings import Settings
from ravine.trainer.state import State, pieces

SAVE_S = 30.0
"""Seconds between two checkpoints."""
COST_SHARE = 0.02
"""Most of the time that checkpoints may take: where one is slow, the next waits longer."""
LEAST_SCALE = 2.0**-10
"""Loss scale below which float16 has not overflowed by chance."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training gave.

    Attributes:
        model: in evaluation mode, at the weights to evaluate at: the average where there is one, the best where patience
            was asked for, else the last.
        metrics: split -> "loss" and every metric of the task, of that model; without "test" where the task has none.
        history: every training loss, gradient norm and evaluation.
        step: optimiser steps taken.
        best_step, best: step and value of the best evaluation by the monitored metric.
        reason: why it ended.
        folder: where checkpoints and weights lie; None if nowhere.
        settings: what was set.
    """

    model: nn.Module = field(repr=False)
    metrics: Mapping[str, Mapping[str, float]]
    history: History = field(repr=False)
    step: int
    best_step: int
    best: float | None
    reason: Reason
    folder: Path | None
    settings: Settings = field(repr=False)


def train(
    task: Task, settings: Settings, checkpoints: Checkpoints | None = None, *, save_s: float = SAVE_S, observer: Observer = unobserved
) -> Trained:
    """Train, from the latest checkpoint if there is one.

    Args:
        task: what.
        settings: how.
        checkpoints: where state is kept; nowhere if None.
        save_s: seconds between two checkpoints.
        observer: told of everything.

    Raises:
        DivergedError: the loss or a gradient is no finite number; the step was not taken.
        InputError, RecordError: the checkpoints are another training's, damaged, or cannot be written at the end.
        KeyboardInterrupt: Ctrl-C, after the state was saved.
    """
    state, keeper = State(task, settings), Keeper(checkpoints, save_s, observer)
    keeper.restore(state)
    observer(Began(settings.steps, state.step, sum(p.numel() for p in state.parameters), settings.lines()))
    with isolated(0), repeatable(), listening(wanted=checkpoints is not None) as asked:
        ended = _loop(state, keeper, asked, observer)
        keeper.end(state)
    observer(Ended(state.step, ended))
    if ended == "interrupted":
        raise KeyboardInterrupt
    state.settle()
    metrics = _measured(state, observer) if ended != "terminated" else {}
    state.release()
    if ended != "terminated":
        keeper.weights(MODEL, state.model.state_dict(), state.step)
    stopping, folder = state.stopping, checkpoints.folder if checkpoints else None
    return Trained(state.model, metrics, state.history, state.step, stopping.step, stopping.best, ended, folder, settings)


def _measured(state: State, observer: Observer) -> dict[str, Mapping[str, float]]:
    """What the model that the training ends with reaches on each split."""
    data, step = state.task.data, state.stopping.step if state.best and state.settings.patience is not None else state.step
    known = next(values for values in reversed(state.history.evaluations) if values["step"] == step)
    metrics: dict[str, Mapping[str, float]] = {"validation": {name: value for name, value in known.items() if name != "step"}}
    if data.test is not None:
        metrics["test"] = state.evaluate(data.test)
        observer(Evaluated(step, "test", metrics["test"], False))
    return metrics


def _loop(state: State, keeper: "Keeper", asked: Asked, observer: Observer) -> Reason:
    """Steps until there is a reason to end."""
    settings, history = state.settings, state.history
    while True:
        if asked.reason is not None:
            return asked.reason
        if state.stopping.is_over:
            return "patience"
        if state.step == settings.steps:
            return "steps"
        batch = state.next_batch()
        lr = set_rate(state.optimizer, settings.schedule(state.step, settings.steps))
        loss, norm = _gradients(state, batch)
        is_skipped = state.precision.is_skipped(math.isfinite(norm))
        history.scale(state.drawn, state.precision.scale)
        _check_finite(state, loss, norm, lr, keeper)
        if is_skipped:
            observer(Skipped(state.step, state.precision.scale or 0.0))
            continue
        _step(state, batch, loss)
        state.step += 1
        if state.averaging is not None:
            state.averaging.update(state.step)
        history.step(loss, norm)
        observer(Stepped(state.step, loss, norm, lr, settings.batch_size))
        if state.step % settings.evaluate_every == 0 or state.step == settings.steps:
            _evaluate(state, observer, keeps=settings.patience is not None or keeper.folder is not None)
        keeper.save_if_due(state)


def _gradients(state: State, batch: object) -> tuple[float, float]:
    """Gradients of the mean loss over the batch, clipped; this loss, and their norm before."""
    settings, precision, loss = state.settings, state.precision, 0.0
    state.optimizer.zero_grad()
    for piece, share in pieces(batch, settings.accumulate):
        with precision.forward():
            part = state.objective(piece)
        precision.backward(part if share == 1.0 else part * share)
        loss += share * part.item()
    precision.unscale(state.optimizer)
    if settings.clip is not None:
        return loss, float(clip_grad_norm_(state.parameters, settings.clip))
    return loss, float(torch.nn.utils.get_total_norm([p.grad for p in state.parameters if p.grad is not None]))


def _step(state: State, batch: object, loss: float) -> None:
    """The optimizer's step; a second gradient, where it takes one, is of the same batch."""
    if not takes_two(state.optimizer):
        state.optimizer.step()
        return
    known = [loss]
    # The first of the two calls finds its gradients there already.
    closure: Any = lambda: known.pop() if known else _gradients(state, batch)[0]  # noqa: E731 - two lines for two values
    state.optimizer.step(closure)


def _check_finite(state: State, loss: float, norm: float, lr: float, keeper: "Keeper") -> None:
    """Stop before a step that would make every weight useless."""
    scale = state.precision.scale
    if scale is not None and scale >= LEAST_SCALE:
        return
    if math.isfinite(loss) and math.isfinite(norm) and scale is None:
        return
    what = f"the training loss is {loss}" if not math.isfinite(loss) else f"the norm of the gradients is {norm}"
    if scale is not None:
        what = f"float16 overflows even at a loss scale of {scale:g}"
    kept = f" The last good checkpoint is {keeper.last}." if keeper.last is not None else ""
    remedy = "Lower the rate, clip gradients, or warm up for longer"
    raise DivergedError(
        f"{what} at step {state.step + 1:,} (lr {lr:.3g}): the step was not taken.{kept} {remedy}.", step=state.step + 1, loss=loss
    )


def _evaluate(state: State, observer: Observer, *, keeps: bool) -> None:
    """Validation, and what follows from it."""
    values = state.evaluate(state.task.data.validation)
    is_best = state.stopping.take(state.step, values)
    state.history.evaluations.append({"step": state.step, **values})
    if is_best and keeps:
        state.remember()
    observer(Evaluated(state.step, "validation", values, is_best))


class Keeper:
    """Saves a training when it is time; a full disk is no reason to lose one.

    Args:
        checkpoints: where; None for nowhere.
        every_s: seconds between two checkpoints.
        observer: told of them.

    Attributes:
        last: the latest checkpoint.
        folder: where it lies; None for nowhere.
    """

    def __init__(self, checkpoints: Checkpoints | None, every_s: float, observer: Observer) -> None:
        self._checkpoints, self._every_s, self._tell = checkpoints, every_s, observer
        self._interval, self._saved_s = every_s, time.perf_counter()
        self._step, self._failure = -1, ""
        self.last: Path | None = None
        self.folder = None if checkpoints is None else checkpoints.folder

    def restore(self, state: State) -> None:
        """Bring a fresh state to the latest checkpoint that can be read."""
        if self._checkpoints is None:
            return
        found, refused = self._checkpoints.latest()
        for sentence in refused:
            self._tell(Noted(sentence))
        if found is not None:
            state.restore(found)
            self.last, self._step = found.path, state.step

    def save_if_due(self, state: State) -> None:
        """Save if the last time is long enough ago."""
        if self._checkpoints is not None and time.perf_counter() - self._saved_s >= self._interval:
            self._save(state)

    def end(self, state: State) -> None:
        """Save what the training ends with.

        Raises:
            RecordError: it cannot be written.
        """
        if self._checkpoints is not None and self._step != state.step:
            self._save(state)
            if self._failure:
                raise RecordError(f"{self._failure} Make room there, and go on from it with resume.")

    def _save(self, state: State) -> None:
        assert self._checkpoints is not None
        started = time.perf_counter()
        if not state.is_finite():
            return  # the next loss will say so
        try:
            if state.is_best_new:
                write(self._checkpoints.folder / BEST, {"step": state.stopping.step}, state.best)
                state.is_best_new = False
            self.last, self._step, self._failure = self._checkpoints.save(state.step, *state.save()), state.step, ""
            self._tell(Saved(state.step, self.last))
        except (OSError, SafetensorError) as error:
            self._fail(error)
        self._saved_s = time.perf_counter()
        self._interval = max(self._every_s, (self._saved_s - started) / COST_SHARE)

    def weights(self, name: str, weights: Mapping[str, Tensor], step: int) -> None:
        """Write weights alone, those that the training ends with.

        Raises:
            RecordError: they cannot be written.
        """
        if self.folder is None:
            return
        try:
            write(self.folder / name, {"step": step}, weights)
        except (OSError, SafetensorError) as error:
            given = f"{self.folder / name} cannot be written ({reason(error)})"
            raise RecordError(f"{given}. Make room there, and go on with resume.") from error

    def _fail(self, error: Exception) -> None:
        assert self._checkpoints is not None
        kept = f"{self.last} is the last good checkpoint" if self.last is not None else "there is no checkpoint yet"
        before, self._failure = self._failure, f"{self._checkpoints.folder} cannot be written ({reason(error)}): {kept}."
        if not before:
            self._tell(Noted(f"{self._failure} The training goes on."))
