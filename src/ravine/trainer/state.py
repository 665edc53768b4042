"""Everything that the next step reads: model, optimizer, scale, average, counts and curves; and how it is saved."""

import functools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.base.errors import InputError
from ravine.fleet import habits
from ravine.fleet.data import BatchOrder, duplicate, gather, size, to_device
from ravine.fleet.tiles import seed_streams
from ravine.optim._storage import local
from ravine.tasks import Task
from ravine.tasks.objective import Objective
from ravine.trainer import batch_statistics
from ravine.trainer.averaging import Averaging
from ravine.trainer.checkpoint import Checkpoint, fill
from ravine.trainer.curvature import Curvature, takes_curvature
from ravine.trainer.distributed import ALONE, Processes
from ravine.trainer.encoding import decode, encode, merge, select
from ravine.trainer.ensemble import Snapshots
from ravine.trainer.history import History
from ravine.trainer.making import evaluating, make_optimizer, takes_two
from ravine.trainer.portions import Portion, check_alike, data_digest, evaluate
from ravine.trainer.precision import Precision
from ravine.trainer.rates import Rates
from ravine.trainer.recomputation import keep, recompute
from ravine.trainer.settings import Settings
from ravine.trainer.stopping import Stopping
from ravine.trainer.strategies import leaves_out, spread

_STATE = re.compile(r"optimizer\.state\.(\d+)\..+")
_BLOCK = 256
"""Batches whose rows are looked up at a time."""


class State:
    """A training between two steps.

    Args:
        task: what is trained.
        settings: what is set.
        processes: who else trains it.

    Attributes:
        model, objective, optimizer, rates, precision, averaging, stopping, history: its parts; no average where none is
            asked for.
        strategy, portion: how it lies over processes, and this one's rows of a batch.
        snapshots: weights at the ends of cycles, where they are asked for.
        curvature: where the optimizer takes estimates of it.
        step: optimiser steps taken.
        drawn: batches used; more than steps where float16 overflowed.
        best: weights of the best evaluation since the training began or was resumed; with patience, of all.
        is_best_new: whether they came after the last checkpoint.
    """

    def __init__(self, task: Task, settings: Settings, processes: Processes = ALONE) -> None:
        self.task, self.settings, self.processes, self.step, self.drawn = task, settings, processes, 0, 0
        self.portion = Portion(processes, settings.batch_size, settings.accumulate)
        self._init = init = derive(settings.race_seed, settings.seed, "init")
        self.model = task.build(init).to(settings.device).train()
        sample = to_device(gather(task.data.train, torch.arange(settings.batch_size)), settings.device)
        check_alike(self.model, sample, processes)
        self.precision = Precision(settings.precision, settings.device)
        self.precision.prepare(self.model)
        self.objective = Objective(self.model, task)
        self._joined = batch_statistics.join(self.model) if processes.world > 1 else []
        self.strategy = spread(self.objective, processes)
        self.optimizer = make_optimizer(self.model, settings)
        _check_supported(self.optimizer, settings, processes)
        self.rates = Rates(self.optimizer, settings)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.averaging = Averaging(self.model, settings.ema) if settings.ema else None
        self.stopping = Stopping(settings.monitor, task.higher_is_better(settings.monitor), settings.patience)
        self.history = History()
        self.history.scale(0, self.precision.scale)
        self.snapshots = Snapshots(settings.snapshots)
        self.best: dict[str, Tensor] = {}
        self.is_best_new, self._is_settled = False, False
        self._recomputed = recompute(self.model, settings.recompute)
        if settings.compile:
            self.model.compile()
        self._train = to_device(task.data.train, settings.device)
        self._leaves, self._tree = pytree.tree_flatten(self._train)
        self._order = BatchOrder(size(self._train), settings.batch_size, derive(settings.race_seed, settings.seed, "order"))
        self._rows: list[Tensor] = []
        probed = Objective(task.build(init).to(settings.device), task)
        self._draws = any(habits.draws(probed.train(), sample))
        self.curvature = Curvature.of(self.optimizer, self.objective, self.precision, settings, draws=self._draws)
        self._evaluates_with_gradients = habits.evaluates_with_gradients(probed, sample)
        self.strategy.bind(self.optimizer, leaves_out=processes.world > 1 and leaves_out(probed.train(), self.portion.of(sample)))

    def next_batch(self) -> Any:
        """The next batch, changed by the transforms; random streams are seeded for it."""
        settings, number = self.settings, self.drawn
        if self._order.is_full_batch:
            batch = duplicate(self._train)
        else:
            if not self._rows:
                self._rows = list(self._order.take(_BLOCK).to(settings.device).flip(0))
            rows = self._rows.pop()
            batch = pytree.tree_unflatten((leaf.index_select(0, rows) for leaf in self._leaves), self._tree)
        self.drawn += 1
        if settings.augment:
            generator = Generator().manual_seed(derive(settings.race_seed, settings.seed, "augmentation", number))
            for transform in settings.augment:
                batch = transform(batch, generator)
        if self._draws:
            # Every process its own: rows that stand at one place of two portions must not lose the same units.
            own = [self.processes.rank] if self.processes.rank else []
            seed_streams(derive(settings.race_seed, settings.seed, "dropout", *own) + number, settings.device)
        return self.portion.of(batch)

    def clear(self) -> None:
        """Take all gradients away; also from parameters that the optimizer does not step, where they would add up."""
        for parameter in self.parameters:
            parameter.grad = None
        # torch's own tells a profiler of itself, which takes longer than a small model's parameters.
        if type(self.optimizer).zero_grad is not torch.optim.Optimizer.zero_grad:
            self.optimizer.zero_grad()
            return
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def gradients(self) -> list[Tensor]:
        """All gradients that there are."""
        return [p.grad for p in self.parameters if p.grad is not None]

    def evaluate(self, split: Any, objective: Objective | None = None) -> dict[str, float]:
        """Loss and metrics over a split, at the weights to evaluate at, or of another objective."""
        with self.evaluated(), torch.set_grad_enabled(self._evaluates_with_gradients), self.precision.forward():
            measure = functools.partial(objective or self.objective, evaluate=True)
            return evaluate(measure, to_device(split, self.settings.device), self.processes)

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
        batch_statistics.part(self._joined)
        keep(self._recomputed)
        self.model = self.strategy.whole(lambda: self.task.build(self._init).to(self.settings.device))
        self.model._compiled_call_impl = None
        self.model.zero_grad()
        self.model.eval()

    @property
    def origin(self) -> dict[str, Any]:
        """What every file says of the task whose weights it holds."""
        return {"task": self.task.name, "notes": dict(self.task.notes)}

    @functools.cached_property
    def _data(self) -> str:
        return data_digest(self.task)

    def is_finite(self) -> bool:
        """Whether every weight is a number."""
        own = all(bool(local(p).isfinite().all()) for p in self.parameters)
        return not self.processes.largest(int(not own))

    def save(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Header and tensors of a checkpoint; they may share memory with the state."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        best = self.best if self.settings.patience is not None else {}
        tensors |= {f"best.{name}": tensor for name, tensor in best.items()} | self.history.tensors()
        tensors |= self.averaging.tensors() if self.averaging is not None else {}
        header = {
            **self.origin,
            "settings": self.settings.described(),
            "drawn": self.drawn,
            "data": self._data if self.processes.is_first else "",
            "optimizer": merge(self.processes.gather(encode(self.optimizer.state_dict(), "optimizer", tensors))),
            "precision": encode(self.precision.state(), "precision", tensors),
            "plateau": self.rates.state(),
            "stopping": self.stopping.state(),
            "history": self.history.state(),
        }
        return header, tensors

    def target(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """What a checkpoint's tensor is read into: shards where its namesake here lies in shards."""
        kind, _, rest = name.partition(".")
        if kind in ("model", "best", "average"):
            return self.strategy.empty(self.model.state_dict().get(rest), shape, dtype)
        found = _STATE.fullmatch(name)
        places = [p for group in self.optimizer.param_groups for p in group["params"]] if found else []
        place = int(found[1]) if found else -1
        return self.strategy.empty(places[place] if 0 <= place < len(places) else None, shape, dtype)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go to where `save` was called: what follows has the same bits as without the break.

        Raises:
            InputError: the checkpoint is of another model, or of other settings.
        """
        header, tensors, where = checkpoint.header, checkpoint.tensors, str(checkpoint.path)
        fill(self.model, _under("model.", tensors), where=where)
        _check_notes(header.get("notes", {}), self.task.notes, where=where)
        _check_data(header.get("data", self._data), self._data, self.task, where=where)
        _check_settings(header["settings"], self.settings.described(), where=where)
        self.optimizer.load_state_dict(decode(select(header["optimizer"], self.strategy.owns), tensors))
        self.precision.restore(decode(header["precision"], tensors))
        self.rates.restore(header.get("plateau", {}))
        if self.averaging is not None:
            self.averaging.restore(tensors)
        self.stopping.restore(header["stopping"])
        self.history = History.restored(tensors, header["history"])
        self.best = {name: tensor.to(self.settings.device) for name, tensor in _under("best.", tensors).items()}
        self.step, self.drawn = header["step"], header["drawn"]
        self.snapshots.restore(checkpoint.path.parent, self.step, self.settings.device)
        self._order.skip(self.drawn)


def _check_supported(optimizer: torch.optim.Optimizer, settings: Settings, processes: Processes) -> None:
    what = "two gradients a step" if takes_two(optimizer) else "estimates of the curvature" if takes_curvature(optimizer) else ""
    if what and settings.precision == "fp16":
        raise InputError(f"{settings.optimizer!r} takes {what}, which one loss scale cannot serve. Use precision='bf16'.")
    if settings.precision == "pure_bf16" and processes.world > 1:
        given = f"precision='pure_bf16' in {processes.world} processes: gradients are kept in float32 beside weights in bfloat16"
        raise InputError(f"{given}, which torch does not average. Use precision='bf16'.")
    what = "snapshots" if settings.snapshots else f"the estimates of {settings.optimizer!r}" if takes_curvature(optimizer) else ""
    if what and processes.world > 1:
        raise InputError(f"{what} in {processes.world} processes: ravine makes them in one process only. Leave them out, or start one.")


def pieces(batch: Any, number: int, weight: float = 1.0) -> Iterator[tuple[Any, float]]:
    """A batch in so many pieces that differ by at most one row, each with its share of the rows, or of the batch's weight.

    The mean of their losses by these shares is the batch's own, where a loss is a mean over rows.
    """
    if number == 1:
        yield batch, weight
        return
    rows = size(batch)
    bounds = [round(place * rows / number) for place in range(number + 1)]
    for start, stop in pairwise(bounds):
        yield pytree.tree_map(lambda leaf, start=start, stop=stop: leaf[start:stop], batch), weight * (stop - start) / rows


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _check_data(saved: str, own: str, task: Task, *, where: str) -> None:
    if saved != own:
        given = f"{where} is of other data: rows or targets are not those of {task.reference or task.name!r} now"
        raise InputError(f"{given}. Train on the data with which it was begun, or give another folder.", given=own)


def _check_notes(saved: Mapping[str, Any], own: Mapping[str, Any], *, where: str) -> None:
    for name in [*own, *(name for name in saved if name not in own)]:
        if saved.get(name) != own.get(name):
            given = f"{where} is of other data: its note {name!r} is {saved.get(name)!r} and this task's is {own.get(name)!r}"
            raise InputError(f"{given}. Train on the data with which it was begun, or give another folder.", given=own.get(name))


def _check_settings(saved: Mapping[str, str], own: Mapping[str, str], *, where: str) -> None:
    for name, value in own.items():
        if saved.get(name) != value:
            given = f"{where} was written with {name}={saved.get(name)} and this training has {name}={value}"
            raise InputError(f"{given}: they must be equal. Give the options with which it was begun, or another folder.", given=value)
