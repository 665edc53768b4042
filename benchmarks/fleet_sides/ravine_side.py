"""One tile of the fleet in each of its modes, and the one that calibration would choose."""

import time
import typing

import torch

from ravine.base._seeds import derive
from ravine.fleet import Fleet, Lane, Mode
from ravine.fleet.fleet import quiet_threads
from ravine.rules import registry
from ravine.schedules import create
from ravine.tasks import Task

HORIZON = 10**6
"""Steps of the run that calibration chooses for: long, so that compiling is not what decides."""

ONE_LANE = ("loop", "fused")
"""Modes whose tiles hold one lane."""


class Engine:
    """A fleet of one workload, and its 64 lanes: Adam at rates from 1e-3 down to 1e-4."""

    def __init__(self, workload, device):
        x, y = workload.data()
        task = Task("bench", workload.model, (x, y), (x[:10], y[:10]), workload.loss, batch_size=workload.batch)
        self.fleet = Fleet(task, device=device)
        rule, hypers = registry.resolve("adam", {})
        rates = torch.logspace(-3, -4, workload.lanes, dtype=torch.float64).tolist()
        self.lanes = [Lane(number, rule, hypers | {"lr": lr}, create("constant"), 0) for number, lr in enumerate(rates)]
        self.order_seed = derive(self.fleet.race_seed, 0, "order")

    def model(self):
        """The weights that every side starts from."""
        return self.fleet.model(0).model

    def modes(self):
        return typing.get_args(Mode)

    def choice(self):
        return self.fleet.calibrate(self.lanes, HORIZON)

    def tile_size(self):
        return min(len(self.lanes), self.fleet.tile_size(self.lanes))


class RavineSide:
    """One tile in one mode."""

    step_unit = 1

    def __init__(self, engine, mode, size):
        self.lanes = 1 if mode in ONE_LANE else size
        with quiet_threads():
            before = time.perf_counter()
            self.tile = engine.fleet._tile(engine.lanes[: self.lanes], mode, HORIZON)
            self.setup_s = time.perf_counter() - before
        self.all_finite = True

    def run(self, steps):
        with quiet_threads():
            losses, finite = self.tile.run(steps)
        self.all_finite = self.all_finite and bool(finite[-1].all())
        return losses

    @property
    def form(self):
        return self.tile.remark

    def curve(self, steps):
        return self.run(steps)[:, 0].tolist()
