"""Everything that the next step reads: model, optimizer, scale, average, counts and curves; and how it is saved."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.base.errors import InputError
from ravine.fleet import habits
from ravine.fleet.data import BatchOrder, duplicate, gather, size, slices, to_device
from ravine.fleet.tiles import seed_streams, weighted_mean
from ravine.tasks import Task
from ravine.tasks.objective import Objective
from ravine.trainer.averaging import Averaging
from ravine.trainer.checkpoint import Checkpoint, fill
from ravine.trainer.encoding import decode, encode
from ravine.trainer.history import History
from ravine.trainer.making import evaluating, make_optimizer, takes_two
from ravine.trainer.precision import Precision
from ravine.trainer.recomputation import keep, recompute
from ravine.trainer.settings import Settings
from ravine.trainer.stopping import Stopping

EVALUATION_ROWS = 1024
"""Most rows that an evaluation takes at once."""
_BLOCK = 256
"""Batches whose rows are looked up at a time."""


class State:
    """A training between two steps.

    Args:
        task: what is trained.
        settings: what is set.

    Attributes:
        model, objective, optimizer, precision, averaging, stopping, history: its parts; no average where none is asked for.
        step: optimiser steps taken.
        drawn: batches used; more than steps where float16 overflowed.
        best: weights of the best evaluation since the training began or was resumed; with patience, of all.
        is_best_new: whether they came after the last checkpoint.
    """

    def __init__(self, task: Task, settings: Settings) -> None:
        self.task, self.settings, self.step, self.drawn = task, settings, 0, 0
        init = derive(settings.race_seed, settings.seed, "init")
        self.model = task.build(init).to(settings.device).train()
        self.precision = Precision(settings.precision, settings.device)
        self.precision.prepare(self.model)
        self.objective = Objective(self.model, task)
        self.optimizer = make_optimizer(self.model, settings)
        if takes_two(self.optimizer) and settings.precision == "fp16":
            raise InputError(f"{settings.optimizer!r} takes two gradients a step, which one loss scale cannot serve. Use precision='bf16'.")
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.averaging = Averaging(self.model, settings.ema) if settings.ema else None
        self.stopping = Stopping(settings.monitor, task.higher_is_better(settings.monitor), settings.patience)
        self.history = History()
        self.history.scale(0, self.precision.scale)
        self.best: dict[str, Tensor] = {}
        self.is_best_new, self._is_settled = False, False
        self._recomputed = recompute(self.model, settings.recompute)
        if settings.compile:
            self.model.compile()
        self._train = to_device(task.data.train, settings.device)
        self._order = BatchOrder(size(self._train), settings.batch_size, derive(settings.race_seed, settings.seed, "order"))
        self._rows: list[Tensor] = []
        sample = to_device(gather(task.data.train, torch.arange(settings.batch_size)), settings.device)
        probed = Objective(task.build(init).to(settings.device), task)
        self._draws = any(habits.draws(probed.train(), sample))
        self._evaluates_with_gradients = habits.evaluates_with_gradients(probed, sample)

    def next_batch(self) -> Any:
        """The next batch, changed by the transforms; random streams are seeded for it."""
        settings, number = self.settings, self.drawn
        if self._order.is_full_batch:
            batch = duplicate(self._train)
        else:
            if not self._rows:
                self._rows = list(self._order.take(_BLOCK).to(settings.device).flip(0))
            batch = gather(self._train, self._rows.pop())
        self.drawn += 1
        if settings.augment:
            generator = Generator().manual_seed(derive(settings.race_seed, settings.seed, "augmentation", number))
            for transform in settings.augment:
                batch = transform(batch, generator)
        if self._draws:
            seed_streams(derive(settings.race_seed, settings.seed, "dropout") + number, settings.device)
        return batch

    def evaluate(self, split: Any) -> dict[str, float]:
        """Loss and metrics over a split, at the weights to evaluate at."""
        pieces = slices(to_device(split, self.settings.device), EVALUATION_ROWS, copy=True)
        with self.evaluated(), torch.set_grad_enabled(self._evaluates_with_gradients), self.precision.forward():
            values = weighted_mean([(self.objective(piece, evaluate=True), count) for piece, count in pieces])
        return {name: float(np.asarray(value).reshape(-1)[0]) for name, value in values.items()}

    @contextmanager
    def evaluated(self) -> Iterator[None]:
        """A block in which the model is in evaluation mode and has the weights to evaluate at."""
        self.model.eval()
        if self._is_settled:
            yield
            return
        try:
            with evaluating(self.optimizer), nullcontext() if self.averaging is None else self.averaging.applied():
                yield
        finally:
            self.model.train()

    def weights(self) -> dict[str, Tensor]:
        """Copies of the weights to evaluate at, under the names of the model's state dict."""
        with self.evaluated():
            return {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def remember(self) -> None:
        """Keep the present weights to evaluate at as the best."""
        self.best, self.is_best_new = self.weights(), True

    def settle(self) -> None:
        """Put what the training is for into the model: the best weights with patience, else the last ones to evaluate at."""
        chosen = self.best if self.settings.patience is not None and self.best else self.weights()
        fill(self.model, chosen, where="the best evaluation")
        self._is_settled = True

    def release(self) -> None:
        """Leave the model as an ordinary module in evaluation mode."""
        self.precision.release()
        keep(self._recomputed)
        self.model._compiled_call_impl = None
        self.model.zero_grad()
        self.model.eval()

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        return all(bool(p.isfinite().all()) for p in self.parameters)

    def save(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Header and tensors of a checkpoint; they may share memory with the state."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        best = self.best if self.settings.patience is not None else {}
        tensors |= {f"best.{name}": tensor for name, tensor in best.items()} | self.history.tensors()
        tensors |= self.averaging.tensors() if self.averaging is not None else {}
        header = {
            "task": self.task.name,
            "settings": self.settings.described(),
            "drawn": self.drawn,
            "optimizer": encode(self.optimizer.state_dict(), "optimizer", tensors),
            "precision": encode(self.precision.state(), "precision", tensors),
            "stopping": self.stopping.state(),
            "history": self.history.state(),
        }
        return header, tensors

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go to where `save` was called: what follows has the same bits as without the break.

        Raises:
            InputError: the checkpoint is of another model, or of other settings.
        """
        header, tensors, where = checkpoint.header, checkpoint.tensors, str(checkpoint.path)
        fill(self.model, _under("model.", tensors), where=where)
        _check_settings(header["settings"], self.settings.described(), where=where)
        self.optimizer.load_state_dict(decode(header["optimizer"], tensors))
        self.precision.restore(decode(header["precision"], tensors))
        if self.averaging is not None:
            self.averaging.restore(tensors)
        self.stopping.restore(header["stopping"])
        self.history = History.restored(tensors, header["history"])
        self.best = {name: tensor.to(self.settings.device) for name, tensor in _under("best.", tensors).items()}
        self.step, self.drawn = header["step"], header["drawn"]
        self._order.skip(self.drawn)


def pieces(batch: Any, number: int) -> Iterator[tuple[Any, float]]:
    """A batch in so many pieces that differ by at most one row, each with its share of the rows.

    The mean of their losses by these shares is the batch's own, where a loss is a mean over rows.
    """
    if number == 1:
        yield batch, 1.0
        return
    rows = size(batch)
    bounds = [round(place * rows / number) for place in range(number + 1)]
    for start, stop in pairwise(bounds):
        yield pytree.tree_map(lambda leaf, start=start, stop=stop: leaf[start:stop], batch), (stop - start) / rows


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _check_settings(saved: Mapping[str, str], own: Mapping[str, str], *, where: str) -> None:
    for name, value in own.items():
        if saved.get(name) != value:
            given = f"{where} was written with {name}={saved.get(name)} and this training has {name}={value}"
            raise InputError(f"{given}: they must be equal. Give the options with which it was begun.", given=value)
