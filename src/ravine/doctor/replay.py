"""A lane of a race trained again by a plain loop, so that it can be looked into: equal to the fleet's but for rounding."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ravine.base._seeds import derive
from ravine.doctor.probe import Reading, probe
from ravine.doctor.short_run import ShortRun, Trajectory
from ravine.doctor.subject import Settings, Subject
from ravine.fleet import Lane
from ravine.fleet.data import BatchOrder, duplicate, gather, size
from ravine.fleet.tile_run import quiet_threads
from ravine.optim import LRScheduler, create, muon_groups
from ravine.tasks import Objective, Task
from ravine.tasks._randomness import isolated
from ravine.tasks.kinds import parameter_kinds

WATCHED = 300
"""Steps, the last, of which norms are kept."""

TAKEN = 256
"""Batches whose rows are drawn at a time."""

Row = tuple[int, Sequence[float], Sequence[float]]
"""Step, gradient norms and relative updates of one step."""


@dataclass
class Replay:
    """A lane on its way; everything is that lane's own: weights, batches, random draws, rates.

    Attributes:
        task: with the lane's batch size.
        optimizer: registry name.
        lane: rule, hypers, schedule and seed.
        horizon: steps of the whole training.
        race_seed: seed of the race.
        losses: of the steps taken, each before its update.
        broken: the step, counted from 0, at which a loss, gradient or weight was not finite.
        spoilt: the parameter that an update of finite gradients made so; empty if none was.
    """

    task: Task
    optimizer: str
    lane: Lane
    horizon: int
    race_seed: int
    losses: list[float] = field(default_factory=list)
    broken: int | None = None
    spoilt: str = ""
    rows: list[Row] = field(default_factory=list, repr=False)
    _indices: list[Tensor] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._train, self._dropout = self.task.data.train, derive(self.race_seed, self.lane.seed, "dropout")
        self.objective = self.fresh()
        self.first = probe(self.objective, self.batch(0), seed=self._stream(0))
        self.made = self._make()
        self._scheduler = LRScheduler(self.made, self.lane.schedule, horizon=self.horizon)

    def fresh(self) -> Objective:
        """The objective that the lane begins with."""
        return Objective(self.task.build(derive(self.race_seed, self.lane.seed, "init")), self.task).train()

    def _make(self) -> torch.optim.Optimizer:
        is_split = any(flag.name == "elementwise" for flag in self.lane.rule.flags)
        model = self.objective.model
        return create(self.optimizer, muon_groups(model) if is_split else model.parameters(), **self.lane.hypers)

    def batch(self, step: int) -> Any:
        """The batch of a step, counted from 0."""
        if self._order.is_full_batch:
            return self._train
        while len(self._indices) <= step:
            self._indices.extend(self._order.take(TAKEN))
        return gather(self._train, self._indices[step])

    @cached_property
    def _order(self) -> BatchOrder:
        return BatchOrder(size(self._train), self.task.rows_per_step, derive(self.race_seed, self.lane.seed, "order"))

    @cached_property
    def _named(self) -> dict[str, torch.nn.Parameter]:
        return {name: p for name, p in self.objective.model.named_parameters() if p.requires_grad}

    def _stream(self, step: int) -> int:
        return self._dropout + step

    def advance(self, to: int, *, watch_from: int | None = None) -> None:
        """Take steps until so many were taken, or one breaks.

        Args:
            to: steps in all.
            watch_from: step from which norms are kept; the last `WATCHED` if None.
        """
        watched = max(0, to - WATCHED) if watch_from is None else watch_from
        for step in range(len(self.losses), min(to, self.horizon)):
            if self.broken is not None:
                return
            with quiet_threads(), isolated(self._stream(step)):
                self._step(step, keeps=step >= watched)

    def _step(self, step: int, *, keeps: bool) -> None:
        loss = self._gradients(step)
        self.losses.append(loss)
        with_gradient = [(name, p) for name, p in self._named.items() if p.grad is not None]
        norms = _norms([p.grad for _, p in with_gradient if p.grad is not None])
        if not math.isfinite(loss) or not np.isfinite(norms).all():
            self.broken = step
            self.rows.append((step, [float("nan")] * len(self._named), []))
            return
        before = [p.detach().clone() for p in self._named.values()] if keeps else []
        # A rule that takes a second gradient asks for it by the closure; others ask once, and get what is known.
        known = [loss]
        self.made.step(lambda: known.pop() if known else self._gradients(step))
        self._scheduler.step()
        sizes = _norms([p.detach() for p in self._named.values()])
        if not np.isfinite(sizes).all():
            self.broken, self.spoilt = step, list(self._named)[int(np.argmin(np.isfinite(sizes)))]
        if keeps:
            own = dict(zip((name for name, _ in with_gradient), norms.tolist(), strict=True))
            moved = _norms([p.detach() - old for p, old in zip(self._named.values(), before, strict=True)])
            with np.errstate(all="ignore"):
                ratios = moved / np.maximum(_norms(before), 1e-30)
            self.rows.append((step, [own.get(name, float("nan")) for name in self._named], ratios.tolist()))

    def _gradients(self, step: int) -> float:
        self.made.zero_grad()
        loss = self.objective(duplicate(self.batch(step)))
        if loss.requires_grad:
            loss.backward()
        return float(loss.detach())

    def look(self) -> Reading:
        """A look into the lane as it is, on the batch of its last step."""
        step = max(0, len(self.losses) - 1)
        with quiet_threads():
            return probe(self.objective, self.batch(step), seed=self._stream(step))

    @property
    def place(self) -> str:
        """Where a number first was not finite; empty while all are."""
        if self.broken is None:
            return ""
        return f"the update of the parameter {self.spoilt}" if self.spoilt else self.look().broken or "the loss"

    @property
    def growth(self) -> float:
        """Norm of the weights over that of the weights it began with; infinite where they are not finite."""
        now, then = (_norms([p.detach().float() for p in model.parameters()]) for model in (self.objective.model, self.fresh().model))
        ratio = float(np.linalg.norm(now) / max(float(np.linalg.norm(then)), 1e-30))
        return ratio if math.isfinite(ratio) else math.inf

    def as_short_run(self, evaluated: np.ndarray, evaluations: dict[str, np.ndarray]) -> ShortRun:
        """The watched steps as rungs of the ladder take them.

        Args:
            evaluated: steps of the record's evaluations.
            evaluations: their values, by metric.
        """
        trajectory = Trajectory(
            names=tuple(self._named),
            kinds=dict(parameter_kinds(self.objective.model)),
            losses=np.array(self.losses),
            gradients=np.array([row[1] for row in self.rows]).reshape(-1, len(self._named)),
            updates=np.array([row[2] for row in self.rows if row[2]]).reshape(-1, len(self._named)),
            rate=float(self.lane.hypers["lr"]),
            evaluated=evaluated,
            evaluations=evaluations,
            broken=self.broken,
            place=self.place,
            steps=np.array([row[0] for row in self.rows], dtype=np.int64),
        )
        return ShortRun(trajectory, self.first, self.look(), self.objective, self.made)

    def subject(self) -> Subject:
        """The lane's task under its settings, for rungs that look at more than one batch."""
        hypers = {name: value for name, value in self.lane.hypers.items() if name != "lr"}
        return Subject(self.task, Settings(self.optimizer, float(self.lane.hypers["lr"]), hypers, seed=self.race_seed))


def _norms(tensors: Sequence[Tensor]) -> np.ndarray:
    """Norms, as float64."""
    if not tensors:
        return np.empty(0)
    return torch.stack([norm.float() for norm in torch._foreach_norm(list(tensors))]).double().cpu().numpy()
