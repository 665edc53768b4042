"""A race of the page under way: the fleet's own tiles, advanced by as many steps as are asked for; nothing here reads the clock.

Steps are cut where something is looked at, and a cut changes no bit, so that the speed at which steps are asked for cannot either.
Shapes: T steps, L lanes, G points of the grid.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ravine.base._seeds import derive
from ravine.base.errors import PlanError
from ravine.fleet import Choice, Fleet
from ravine.fleet.calibration import Mode
from ravine.fleet.data import BatchOrder, size
from ravine.fleet.divergence import Divergence, DivergenceWatch
from ravine.fleet.tile_run import quiet_threads
from ravine.lab.curves import Subject
from ravine.lab.spying import Look, Spy, nothing_seen
from ravine.race.entrants import Setting as EntrantSetting
from ravine.race.plan import Plan, make_plan
from ravine.race.running import ranking_splits
from ravine.race.stage import Entry

LANE_SEED = 1
"""The first fresh seed of a race's final: what the page shows is a lane that `ravine race --seed S --seeds 1` has too."""

CLOSELY = 32
"""Steps of the beginning at each of which a look is kept."""

KEPT = 568
"""Most looks that are kept after them: 600 in all to scrub back to."""

HASHED_BATCHES = 64
"""Batches whose order is compared."""


def is_kept(step: int, steps: int) -> bool:
    """Whether a look is kept after a step, a function of the steps of the race alone: at speed as in slow motion the same ones are."""
    return step <= CLOSELY or step == steps or step % stride_of(steps) == 0


def stride_of(steps: int) -> int:
    """Steps between looks after the beginning: a power of two, so that `KEPT` of them reach to the end."""
    return 1 << max(0, (-(-steps // KEPT) - 1).bit_length())


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a race ends before its steps are taken, looked at where lanes are evaluated.

    Attributes:
        target: validation loss that every lane that is left has reached; None for none.
        plateau: steps for which no lane's best validation loss improved by `IMPROVEMENT`; None for none.
    """

    target: float | None = None
    plateau: int | None = None


IMPROVEMENT = 1e-3


@dataclass(slots=True)
class Stretch:
    """What some steps came to.

    Attributes:
        first, last: steps taken before and after.
        losses: (T, L) float32, before each step's update; NaN after a lane's end.
        diverged: ends, with the lane's place in the race.
        evaluations: step -> split -> metric -> (L,).
        looks: at the steps at which looks are kept.
        alive: (L,).
        end: why the race is over; empty while it is not.
    """

    first: int
    last: int
    losses: np.ndarray
    diverged: list[Divergence] = field(default_factory=list)
    evaluations: dict[int, dict[str, dict[str, np.ndarray]]] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    alive: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))
    end: str = ""


def plan_of(subject: Subject, rates: Mapping[str, float], setting: Mapping[str, Any]) -> Plan:
    """The setting as a plan of a race, checked as a whole.

    Raises:
        PlanError: one sentence for each thing that does not go together.
    """
    lowest = min(rates.values())
    given: dict[str, Any] = {"schedule": setting["schedule"], "steps": setting["steps"], "seeds": 1, "race_seed": setting["seed"]}
    plan = make_plan(subject.task, optimizers=list(rates), shared_lr=lowest, **given)
    if not plan.entrants:
        raise PlanError(["no optimiser is entered: choose at least one."])
    return plan


class Course:
    """A race under way.

    Args:
        subject: what is trained.
        rates: label -> peak rate.
        setting: the other settings.
        fleet: of the subject and seed, where there is one already that knows its model.
    """

    def __init__(self, subject: Subject, rates: Mapping[str, float], setting: Mapping[str, Any], fleet: Fleet | None = None) -> None:
        self.subject, self.plan = subject, plan_of(subject, rates, setting)
        self.stopping = Stopping(**setting["stop"])
        entries = (
            entrant.entry("final", number, EntrantSetting(rates[entrant.label]), LANE_SEED)
            for number, entrant in enumerate(self.plan.entrants)
        )
        self.entries: list[Entry] = list(entries)
        self.fleet = fleet or Fleet(subject.task, race_seed=setting["seed"])
        lanes = [entry.lane for entry in self.entries]
        self.mode: Mode = "stacked" if self.fleet.support.stackable else "loop"
        choice = Choice(self.mode, self.fleet.tile_size(lanes), "so that the page can look inside", {}, 0.0)
        self._tiles = [self.fleet.tile(members, self.mode, self.plan.steps) for members in self.fleet.tiles(lanes, choice)]
        # Places of a tile's lanes in the race.
        self._places = [[lane.number for lane in tile.lanes] for tile in self._tiles]
        self._spies = [Spy(tile, self.fleet, subject) for tile in self._tiles]
        self._watches = [DivergenceWatch(len(tile.lanes)) for tile in self._tiles]
        self._splits = ranking_splits(self.plan)[0]
        self.alive = np.ones(len(lanes), dtype=bool)
        self.done, self.end = 0, ""
        self._best, self._improved = np.full(len(lanes), np.inf), 0

    @property
    def steps(self) -> int:
        """Of the whole race."""
        return self.plan.steps

    def weights_marks(self) -> list[str]:
        """A mark of every lane's weights and buffers as they are now, in the order of the race."""
        marks = [""] * len(self.entries)
        for tile, places in zip(self._tiles, self._places, strict=True):
            for position, place in enumerate(places):
                marks[place] = _mark(tile.parameters(position))
        return marks

    def batches_mark(self) -> str:
        """A mark of the order of batches that every lane reads: one order a seed, and all lanes have one seed."""
        rows, total = self.fleet.batch_size, size(self.fleet.train)
        order = BatchOrder(total, rows, derive(self.fleet.race_seed, LANE_SEED, "order"))
        if order.is_full_batch:
            return "all rows"
        return hashlib.blake2b(order.take(HASHED_BATCHES).numpy().tobytes(), digest_size=8).hexdigest()

    def reads_same_batches(self) -> bool:
        """Whether all lanes read the same batch at each step."""
        return len({lane.lane.seed for lane in self.entries}) == 1 and all(tile.shares_batch for tile in self._tiles)

    def begin(self) -> Stretch:
        """Evaluate and look before the first step."""
        stretch = Stretch(0, 0, np.empty((0, len(self.entries)), dtype=np.float32))
        self._evaluate(stretch)
        stretch.looks.append(self.look())
        stretch.alive = self.alive.copy()
        return stretch

    def advance(self, count: int, *, looks: bool = False) -> Stretch:
        """Take so many steps, fewer where the race ends.

        Args:
            count: how many.
            looks: whether the last of them is looked at even where no look is kept.
        """
        first = self.done
        last = min(first + count, self.steps)
        parts: list[np.ndarray] = []
        stretch = Stretch(first, last, np.empty(0))
        while self.done < last and not self.end:
            mark = self._next_mark(last)
            parts.append(self._take(mark, stretch, looks=is_kept(mark, self.steps) or (looks and mark == last)))
            if mark in self.plan.evaluation_steps:
                self._evaluate(stretch)
            self._judge(stretch)
        if looks and not parts:
            stretch.looks.append(self.look())
        stretch.last, stretch.end = self.done, self.end
        stretch.losses = np.concatenate([*parts, np.empty((0, len(self.entries)), dtype=np.float32)])
        stretch.alive = self.alive.copy()
        return stretch

    def look(self) -> Look:
        """The lanes as they are now, without what only a step shows."""
        looks = [spy.look(self.done) for spy in self._spies]
        return self._joined(looks)

    def _next_mark(self, last: int) -> int:
        """The next step at which something is looked at."""
        stride = 1 if self.done < CLOSELY else stride_of(self.steps)
        kept = (self.done // stride + 1) * stride
        due = next((step for step in self.plan.evaluation_steps if step > self.done), self.steps)
        return min(kept, due, last)

    def _take(self, mark: int, stretch: Stretch, *, looks: bool) -> np.ndarray:
        """Steps up to a mark; the last one is looked at where looks are kept."""
        losses = np.full((mark - self.done, len(self.entries)), np.nan, dtype=np.float32)
        seen = []
        for tile, places, spy, watch in zip(self._tiles, self._places, self._spies, self._watches, strict=True):
            with quiet_threads():
                block, finite, look = spy.watched(mark - self.done) if looks else (*tile.run(mark - self.done), None)
                ended = watch.observe(block, finite)
            was_alive = self.alive[places]
            block = block.copy()
            block[:, ~was_alive] = np.nan
            for end in ended:
                block[end.step - self.done :, end.position] = np.nan
                tile.freeze(end.position)
                self.alive[places[end.position]] = False
                stretch.diverged.append(Divergence(places[end.position], end.step, end.reason))
            losses[:, places] = block
            if look is not None:
                seen.append(look)
        self.done = mark
        if looks:
            stretch.looks.append(self._joined(seen))
        return losses

    def _joined(self, looks: Sequence[Look]) -> Look:
        """Looks at tiles as one at the race; lanes that have ended show nothing, at whichever step their tile noticed."""
        whole = nothing_seen(self.done, len(self.entries), looks[0].predictions.shape[1])
        for look, places in zip(looks, self._places, strict=True):
            whole.predictions[places] = look.predictions
            for name, column in look.inside.items():
                whole.inside[name][places] = column
        whole.predictions[~self.alive] = np.nan
        for column in whole.inside.values():
            column[~self.alive] = np.nan
        return whole

    def _evaluate(self, stretch: Stretch) -> None:
        found: dict[str, dict[str, np.ndarray]] = {}
        for tile, places, watch in zip(self._tiles, self._places, self._watches, strict=True):
            for name, split in self._splits.items():
                with quiet_threads():
                    values = self.fleet.evaluate(tile, split)
                if self.done == 0 and name == "validation":
                    watch.start_from(values["loss"])
                for metric, column in values.items():
                    whole = found.setdefault(name, {}).setdefault(metric, np.full(len(self.entries), np.nan))
                    whole[places] = np.where(self.alive[places], column, np.nan)
        stretch.evaluations[self.done] = found
        losses = found["validation"]["loss"]
        with np.errstate(invalid="ignore"):
            if (losses < (1 - IMPROVEMENT) * self._best).any():
                self._improved = self.done
        self._best = np.fmin(self._best, losses)

    def _judge(self, stretch: Stretch) -> None:
        """Whether the race is over."""
        rules = self.stopping
        if self.done == self.steps:
            self.end = f"all {self.steps:,} steps are taken"
        elif not self.alive.any():
            self.end = f"every lane has diverged by step {self.done:,}"
        elif self.done not in stretch.evaluations:
            return
        elif rules.target is not None and bool((self._best[self.alive] <= rules.target).all()):
            self.end = f"every lane that is left has reached a validation loss of {rules.target:g} by step {self.done:,}"
        elif rules.plateau is not None and self.done - self._improved >= rules.plateau:
            self.end = f"no lane's best validation loss improved by 0.1 % over the last {self.done - self._improved:,} steps"


def _mark(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
