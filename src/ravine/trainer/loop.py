"""The training loop, top to bottom; `ravine.trainer.events` shows it as pseudocode."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from ravine.base.errors import DivergedError, RecordError
from ravine.fleet.devices import repeatable
from ravine.fleet.durable import reason
from ravine.tasks import Task
from ravine.tasks._randomness import isolated
from ravine.tasks.objective import Objective
from ravine.trainer.checkpoint import BEST, MODEL, Checkpoints
from ravine.trainer.clipping import clip
from ravine.trainer.distributed import ALONE, Processes
from ravine.trainer.ensemble import Ensemble, Ensembled
from ravine.trainer.events import Began, Ended, Evaluated, Noted, Observer, Reason, Saved, Skipped, Stepped, unobserved
from ravine.trainer.history import History
from ravine.trainer.interruption import Asked, listening
from ravine.trainer.making import takes_two
from ravine.trainer.settings import Settings
from ravine.trainer.state import State, pieces
from ravine.trainer.strategies import full

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
        ensemble: what the snapshots reach together; None where none were asked for, or the training was broken off.
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
    ensemble: Ensembled | None = None


def train(
    task: Task,
    settings: Settings,
    checkpoints: Checkpoints | None = None,
    *,
    save_s: float = SAVE_S,
    observer: Observer = unobserved,
    processes: Processes = ALONE,
) -> Trained:
    """Train, from the latest checkpoint if there is one.

    Args:
        task: what.
        settings: how.
        checkpoints: where state is kept; nowhere if None.
        save_s: seconds between two checkpoints.
        observer: told of everything.
        processes: who else trains it.

    Raises:
        DivergedError: the loss or a gradient is no finite number; the step was not taken.
        InputError, RecordError: the checkpoints are another training's, damaged, or cannot be written at the end.
        KeyboardInterrupt: Ctrl-C, after the state was saved.
    """
    state, keeper = State(task, settings, processes), Keeper(checkpoints, save_s, observer)
    keeper.restore(state)
    parameters, lines = sum(p.numel() for p in state.parameters), (*settings.lines(), *processes.lines)
    observer(Began(settings.steps, state.step, parameters, lines, settings.described()))
    with isolated(0), repeatable(), listening(wanted=checkpoints is not None, grace_s=processes.grace_s) as asked:
        ended = _loop(state, keeper, asked, observer)
        keeper.end(state)
    observer(Ended(state.step, ended))
    if ended == "interrupted":
        raise KeyboardInterrupt
    state.settle()
    metrics = _measured(state, observer) if ended != "terminated" else {}
    ensemble = _ensembled(state, observer) if settings.snapshots and ended != "terminated" else None
    state.release()
    if ended != "terminated":
        keeper.weights(MODEL, state)
    stopping, folder = state.stopping, checkpoints.folder if checkpoints else None
    return Trained(state.model, metrics, state.history, state.step, stopping.step, stopping.best, ended, folder, settings, ensemble)


def _measured(state: State, observer: Observer) -> dict[str, Mapping[str, float]]:
    """What the model that the training ends with reaches on each split."""
    data, step = state.task.data, state.stopping.step if state.best and state.settings.patience is not None else state.step
    known = next(values for values in reversed(state.history.evaluations) if values["step"] == step)
    metrics: dict[str, Mapping[str, float]] = {"validation": {name: value for name, value in known.items() if name != "step"}}
    if data.test is not None:
        metrics["test"] = state.evaluate(data.test)
        observer(Evaluated(step, "test", metrics["test"], False))
    return metrics


def _ensembled(state: State, observer: Observer) -> Ensembled:
    """What the snapshots reach together on each split."""
    data, model = state.task.data, Ensemble(state.model, list(state.snapshots.weights.values()), state.task.loss)
    splits = {"validation": data.validation} | ({"test": data.test} if data.test is not None else {})
    metrics = {name: state.evaluate(split, Objective(model, state.task)) for name, split in splits.items()}
    for name, values in metrics.items():
        observer(Evaluated(state.step, f"ensemble/{name}", values, False))
    return Ensembled(model.eval(), state.settings.snapshots, model.prediction, metrics)


def _loop(state: State, keeper: "Keeper", asked: Asked, observer: Observer) -> Reason:
    """Steps until there is a reason to end."""
    settings, history = state.settings, state.history
    while True:
        reason, is_due = _agreed(state, asked.reason, keeper.is_due(state))
        if is_due:
            keeper.save(state)
        if reason is not None:
            return reason
        if state.stopping.is_over:
            return "patience"
        if state.step == settings.steps:
            return "steps"
        batch = state.next_batch()
        lr = state.rates.set(state.step)
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
        if state.step in settings.snapshots:
            state.snapshots.take(state.step, state.weights())
        history.step(loss, norm)
        if observer is not unobserved:
            observer(Stepped(state.step, loss, norm, lr, settings.batch_size))
        if state.step % settings.evaluate_every == 0 or state.step == settings.steps:
            _evaluate(state, observer, keeps=settings.patience is not None or keeper.folder is not None)


def _agreed(state: State, reason: Reason | None, is_due: bool) -> tuple[Reason | None, bool]:
    """What a signal or the clock asks of any process, asked of all at the same step."""
    if state.processes.world == 1:
        return reason, is_due
    interrupted, terminated, due = state.processes.total([reason == "interrupted", reason == "terminated", is_due])
    return "interrupted" if interrupted else "terminated" if terminated else None, bool(due)


def _gradients(state: State, batch: object) -> tuple[float, float]:
    """Gradients of the mean loss over the batch, clipped; this loss, and their norm before."""
    settings, precision, losses = state.settings, state.precision, []
    state.clear()
    for place, (piece, share) in enumerate(pieces(batch, settings.accumulate, state.portion.weight), 1):
        state.strategy.synchronise(place == settings.accumulate)
        with precision.forward():
            part = state.strategy.train(piece)
        precision.backward(part if share == 1.0 else part * share)
        losses.append((share, part.detach()))
    precision.unscale(state.optimizer)
    norm = clip(state.parameters, settings.clip) if settings.clip is not None else state.strategy.norm(state.gradients())
    # Read last: a device that computes on its own is waited for once a step, when everything up to here has been asked of it.
    return state.processes.mean(sum(share * part.item() for share, part in losses)), norm


def _step(state: State, batch: object, loss: float) -> None:
    """The optimizer's step; a second gradient or an estimate of the curvature, where it takes one, is of the same batch."""
    if state.curvature is not None:
        state.curvature.update(pieces(batch, state.settings.accumulate), state.step)
    if not takes_two(state.optimizer):
        state.strategy.step(state.optimizer)
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
    doctor = f"`ravine doctor {state.task.reference or 'TASK'}` looks for the cause"
    remedy = f"Lower the rate, clip gradients, or warm up for longer; {doctor}"
    raise DivergedError(
        f"{what} at step {state.step + 1:,} (lr {lr:.3g}): the step was not taken.{kept} {remedy}.", step=state.step + 1, loss=loss
    )


def _evaluate(state: State, observer: Observer, *, keeps: bool) -> None:
    """Validation, and what follows from it."""
    values = state.evaluate(state.task.data.validation)
    is_best = state.stopping.take(state.step, values)
    state.rates.observe(values[state.settings.monitor])
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
        found, refused = self._checkpoints.latest(state.target if state.processes.world > 1 else None)
        for sentence in refused:
            self._tell(Noted(sentence))
        if found is not None:
            state.restore(found)
            self.last, self._step = found.path, state.step

    def is_due(self, state: State) -> bool:
        """Whether the last time is long enough ago, and a step was taken since."""
        if self._checkpoints is None or state.step in (0, self._step):
            return False
        return time.perf_counter() - self._saved_s >= self._interval

    def end(self, state: State) -> None:
        """Save what the training ends with.

        Raises:
            RecordError: it cannot be written.
        """
        if self._checkpoints is not None and self._step != state.step:
            self.save(state)
            if self._failure:
                raise RecordError(f"{self._failure} Make room there, and go on from it with resume.")

    def save(self, state: State) -> None:
        """Save; what cannot be written now may be later."""
        assert self._checkpoints is not None
        started = time.perf_counter()
        if not state.is_finite():
            return  # the next loss will say so
        try:
            if state.is_best_new:
                self._checkpoints.write(BEST, {**state.origin, "step": state.stopping.step}, full(state.best))
                state.is_best_new = False
            state.snapshots.write(self._checkpoints.folder, state.origin)
            self.last = self._checkpoints.save(state.step, *state.save(), is_sharded=state.strategy.is_sharded)
            self._step, self._failure = state.step, ""
            self._tell(Saved(state.step, self.last))
        except (OSError, SafetensorError) as error:
            self._fail(error)
        self._saved_s = time.perf_counter()
        self._interval = max(self._every_s, (self._saved_s - started) / COST_SHARE)

    def weights(self, name: str, state: State) -> None:
        """Write weights alone, those that the training ends with.

        Raises:
            RecordError: they cannot be written.
        """
        if self._checkpoints is None:
            return
        try:
            self._checkpoints.write(name, {**state.origin, "step": state.step}, state.model.state_dict())
        except (OSError, SafetensorError) as error:
            given = f"{self._checkpoints.folder / name} cannot be written ({reason(error)})"
            raise RecordError(f"{given}. Make room there, and go on with resume.") from error

    def _fail(self, error: Exception) -> None:
        assert self._checkpoints is not None
        kept = f"{self.last} is the last good checkpoint" if self.last is not None else "there is no checkpoint yet"
        before, self._failure = self._failure, f"{self._checkpoints.folder} cannot be written ({reason(error)}): {kept}."
        if not before:
            self._tell(Noted(f"{self._failure} The training goes on."))
