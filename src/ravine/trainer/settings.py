"""How a training runs: one frozen value that decides every number of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from ravine.optim._settings import TORCH_SWITCHES
from ravine.optim.creating import driver_for
from ravine.rules.registry import get
from ravine.schedules import Between, Plateau, Schedule
from ravine.trainer.augmentation import Transform
from ravine.trainer.options import Maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides the numbers of a training.

    Attributes:
        steps, batch_size, accumulate, hypers, clip, precision, weights, ema, recompute, compile, evaluate_every, monitor,
            patience: as in `Options`, decided.
        optimizer: a registry name, or a function of the model.
        lr: peak rate; None where a function makes the optimizer and sets it.
        snapshots: steps after which weights are kept for an ensemble.
        schedule: of the rate, in every param group that has none of its own.
        others: schedules by key of the groups, besides it; one mapping for all groups or one each.
        plateau: multiplies the rate as well, and looks at the monitored metric.
        spares: whether weight decay leaves biases, gains and embeddings alone.
        augment: transforms of a batch.
        race_seed, seed: of everything random; a recipe's are those of the lane that it repeats.
        device: where.
        check: whether the initial loss and one batch are tried first.
    """

    steps: int
    batch_size: int
    accumulate: int
    optimizer: str | Maker
    lr: float | None
    hypers: Mapping[str, Any]
    schedule: Schedule
    others: tuple[Mapping[str, Schedule | Between], ...] = ()
    plateau: Plateau | None = None
    snapshots: tuple[int, ...] = ()
    spares: bool
    clip: float | None
    precision: str
    weights: str
    ema: float | None
    augment: tuple[Transform, ...] = ()
    recompute: tuple[str, ...] = ()
    compile: bool = False
    evaluate_every: int
    monitor: str
    patience: int | None
    race_seed: int
    seed: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    check: bool = False

    def described(self) -> dict[str, str]:
        """Every setting as text, by name: what a checkpoint must have in common with the run that goes on from it."""
        values = {setting.name: getattr(self, setting.name) for setting in fields(self) if setting.name not in ("check", "device")}
        hidden = {name for name, value in values.items() if callable(value) and not isinstance(value, Schedule | Plateau)}
        return {name: "a function" if name in hidden else str(value) for name, value in values.items()}

    def lines(self) -> tuple[str, ...]:
        """The settings for people: everything that an option of the command changes."""
        values = ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in self.stepped().items())
        maker = self.optimizer if isinstance(self.optimizer, str) else "your optimizer"
        rate = "" if self.lr is None else f" at lr {self.lr:.3g}"
        spared = ", decay on weights only" if self.spares and self.hypers.get("weight_decay") else ""
        pieces = f" in {self.accumulate} pieces" if self.accumulate > 1 else ""
        length = self.schedule.warmup_length
        warmed = f" after a warm-up of {length} {'of all steps' if length < 1 else 'step' if length == 1 else 'steps'}" if length else ""
        extras = [
            *([f"clip {self.clip:g}"] if self.clip else ["no clipping"]),
            self.precision + (f" with {self.weights} weights" if self.precision == "pure_bf16" else ""),
            *([f"ema {self.ema:g}"] if self.ema else []),
            *([f"{len(self.snapshots)} snapshots"] if self.snapshots else []),
            *([str(transform) for transform in self.augment]),
            *([f"{', '.join(self.recompute)} computed again"] if self.recompute else []),
            *(["compiled"] if self.compile else []),
        ]
        patience = f", patience {self.patience}" if self.patience is not None else ""
        every = "step" if self.evaluate_every == 1 else f"{self.evaluate_every:,} steps"
        return (
            f"{self.steps:,} steps of {self.batch_size:,} rows{pieces}, seed {self.seed}",
            f"{maker}{rate}{' (' + values + spared + ')' if values else ''}",
            f"schedule {self._rate()}{warmed}{self._scheduled()}",
            ", ".join(extras),
            f"evaluated every {every}, the best by {self.monitor}{patience}",
        )

    def stepped(self) -> dict[str, Any]:
        """All that the optimiser is made with but the rate, its own defaults included, by the names that set them."""
        if not isinstance(self.optimizer, str):
            return {}
        entry, given = get(self.optimizer), dict(self.hypers)
        found: dict[str, Any] = {}
        for hyper in entry.rule.hypers:
            # A pair may have been given whole, under torch's name.
            name = hyper.group_key if hyper.group_key in given else hyper.symbol
            if hyper.symbol != "lr":
                found[name] = given.get(name, entry.defaults.get(hyper.symbol, hyper.default))
        found |= {name: value for name, value in entry.flags.items() if value} | given
        return found if self.is_driven else found | {"driver": driver_for(self.optimizer, self.steps)}

    @property
    def is_driven(self) -> bool:
        """Whether the hypers say by which code the optimiser steps."""
        return bool({"driver", *TORCH_SWITCHES} & self.hypers.keys())

    def _rate(self) -> str:
        """What the rate's schedule is called."""
        return self.schedule.name if self.plateau is None else f"plateau by {self.monitor}, x {self.plateau.factor:g}"

    def _scheduled(self) -> str:
        """What else is scheduled."""
        if len(self.others) > 1:
            return f", one for each of {len(self.others)} param groups"
        parts = [(key, each.schedule if isinstance(each, Between) else each) for plan in self.others for key, each in plan.items()]
        return "".join(f", {key} {schedule.name}" for key, schedule in parts)
