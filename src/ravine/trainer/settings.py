"""What a training is set to: a caller's options, then a recipe's, then defaults, resolved into one frozen value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeAlias

import torch
from torch import nn

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError
from ravine.rules.registry import get
from ravine.schedules import Schedule
from ravine.schedules import create as create_schedule
from ravine.tasks import Task
from ravine.trainer import precision
from ravine.trainer.augmentation import Transform
from ravine.trainer.augmentation import create as create_transforms

DEFAULT_STEPS = 1000
EVALUATIONS = 20
"""Evaluations spread evenly over a run where nobody says how many."""
LONG_STEPS = 1000
"""Steps from which on a run is worth the checks before it."""
DEFAULT_OPTIMIZER, DEFAULT_SCHEDULE = "adamw", "cosine"
WEIGHT_DECAY, CLIP, WARMUP = 0.1, 1.0, 0.03
"""Of the default recipe; the warm-up is a share of the steps."""
BETA2, TRANSFORMER_BETA2 = 0.999, 0.95

Maker: TypeAlias = Callable[[nn.Module], torch.optim.Optimizer]
"""A function of the model that returns its optimizer."""


class Recipe(Protocol):
    """What a training takes from a recipe; `ravine.race.recipe.Recipe` is one.

    Attributes:
        optimizer, lr, hypers: as raced.
        schedule, warmup: registry name, and steps of warm-up.
        steps, batch_size: of the race.
        race_seed, seed: of the lane to repeat.
    """

    optimizer: str
    lr: float
    hypers: Mapping[str, float]
    schedule: str
    warmup: int
    steps: int
    batch_size: int
    race_seed: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a caller may set; None leaves it to the recipe, and to the default where there is none.

    Attributes:
        steps: optimiser steps, the horizon of the schedule.
        epochs: passes over the training split, instead of `steps`.
        batch_size: rows of a step.
        accumulate: pieces in which a batch's gradients are computed; more need less memory.
        optimizer: a registry name, or a function of the model that returns an optimizer.
        lr: peak rate.
        hypers: other hypers of the optimiser by symbol or torch's name, such as {"weight_decay": 0.1}.
        schedule: registry name, or a schedule.
        warmup: steps of linear warm-up, or a share of all steps below 1.
        clip: largest norm of all gradients together; 0 for no clipping.
        precision: "fp32", "bf16", "fp16", "pure_bf16" or "auto".
        weights: pure_bf16 only: how the optimiser keeps them, "master", "stochastic", "kahan" or "plain".
        ema: decay of a moving average of the weights; 0 for none.
        augment: transforms, or text such as "crop=4,flip,mixup=0.2".
        recompute: names of modules whose activations are computed again in the backward pass.
        compile: whether the model is compiled.
        evaluate_every: steps between two evaluations.
        monitor: "loss" or the metric that says which evaluation is best.
        patience: evaluations without improvement that end the training; the best weights are then put back.
        seed: of weights, order and draws.
        device: "cpu", "cuda" or "auto".
        check: whether the initial loss and one batch are tried first; only before long runs if None.
    """

    steps: int | None = None
    epochs: float | None = None
    batch_size: int | None = None
    accumulate: int | None = None
    optimizer: str | Maker | None = None
    lr: float | None = None
    hypers: Mapping[str, Any] | None = None
    schedule: str | Schedule | None = None
    warmup: int | float | None = None
    clip: float | None = None
    precision: str | None = None
    weights: str | None = None
    ema: float | None = None
    augment: str | Sequence[Transform] | None = None
    recompute: Sequence[str] | None = None
    compile: bool = False
    evaluate_every: int | None = None
    monitor: str | None = None
    patience: int | None = None
    seed: int | None = None
    device: str = "cpu"
    check: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides the numbers of a training.

    Attributes:
        steps, batch_size, accumulate, hypers, clip, precision, weights, ema, recompute, compile, evaluate_every, monitor,
            patience: as in `Options`, decided.
        optimizer: a registry name, or a function of the model.
        lr: peak rate; None where a function makes the optimizer and sets it.
        schedule: of the rate.
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
        return {name: str(value) if not callable(value) or isinstance(value, Schedule) else "a function" for name, value in values.items()}

    def lines(self) -> tuple[str, ...]:
        """The settings for people, each with the option that changes it."""
        values = ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in self.hypers.items())
        maker = self.optimizer if isinstance(self.optimizer, str) else "your optimizer"
        rate = "" if self.lr is None else f" at lr {self.lr:.3g}"
        spared = ", decay on weights only" if self.spares and self.hypers.get("weight_decay") else ""
        pieces = f" in {self.accumulate} pieces" if self.accumulate > 1 else ""
        length = self.schedule.warmup_length
        warmed = f" after a warm-up of {length} {'steps' if length >= 1 else 'of all steps'}" if length else ""
        extras = [
            *([f"clip {self.clip:g}"] if self.clip else ["no clipping"]),
            self.precision + (f" with {self.weights} weights" if self.precision == "pure_bf16" else ""),
            *([f"ema {self.ema:g}"] if self.ema else []),
            *([str(transform) for transform in self.augment]),
        ]
        return (
            f"{self.steps:,} steps of {self.batch_size:,} rows{pieces}",
            f"{maker}{rate}{' (' + values + spared + ')' if values else ''}",
            f"schedule {self.schedule.name}{warmed}",
            ", ".join(extras),
        )


def resolve(task: Task, options: Options, recipe: Recipe | None = None) -> Settings:
    """The settings of a training.

    Raises:
        InputError: an option is out of range, or two contradict each other.
        UnknownNameError: an optimiser, schedule, metric or precision that does not exist.
    """
    device = _device(options.device)
    rows = task.data.sizes["train"]
    usual = recipe.batch_size if recipe else task.rows_per_step
    batch_size = min(count("batch_size", usual if options.batch_size is None else options.batch_size), rows)
    steps = _steps(options, recipe, rows // batch_size)
    pieces = 1 if options.accumulate is None else options.accumulate
    accumulate = count("accumulate", pieces, at_most=batch_size, do="Every piece of a batch needs a row.")
    monitor = options.monitor or task.rank_by
    task.higher_is_better(monitor)
    every = options.evaluate_every if options.evaluate_every is not None else max(1, round(steps / EVALUATIONS))
    chosen = _precision(options, device)
    optimizer, lr, hypers = _optimizer(task, options, recipe)
    return Settings(
        steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        optimizer=optimizer,
        lr=lr,
        hypers=hypers,
        schedule=_schedule(options, recipe, steps),
        spares=recipe is None,
        clip=_clip(options, recipe),
        precision=chosen,
        weights=_weights(options, chosen),
        ema=number("ema", options.ema, at_least=0.0, below=1.0, do="Such as 0.999.") or None if options.ema is not None else None,
        augment=create_transforms(options.augment, task) if options.augment is not None else (),
        recompute=tuple(options.recompute or ()),
        compile=options.compile,
        evaluate_every=count("evaluate_every", every),
        monitor=monitor,
        patience=None if options.patience is None else count("patience", options.patience),
        race_seed=recipe.race_seed if recipe and options.seed is None else 0,
        seed=count("seed", options.seed, at_least=0) if options.seed is not None else recipe.seed if recipe else 0,
        device=device,
        check=steps >= LONG_STEPS if options.check is None else options.check,
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise unknown_name("device", name, ["auto", "cpu", "cuda"])
    if name != "cpu" and not torch.cuda.is_available():
        raise InputError(f"device={name!r}: torch finds no CUDA device here. Use 'cpu', or install a CUDA build of torch.", given=name)
    return torch.device(name)


def _steps(options: Options, recipe: Recipe | None, steps_per_epoch: int) -> int:
    if options.steps is not None and options.epochs is not None:
        raise InputError(f"steps={options.steps} and epochs={options.epochs:g} exclude each other. Give only one.", given=options.steps)
    if options.steps is not None:
        return count("steps", options.steps)
    if options.epochs is not None:
        return max(1, round(number("epochs", options.epochs, above=0.0, below=float("inf")) * steps_per_epoch))
    return recipe.steps if recipe else DEFAULT_STEPS


def _optimizer(task: Task, options: Options, recipe: Recipe | None) -> tuple[str | Maker, float | None, dict[str, Any]]:
    """The optimiser, its rate and its other hypers."""
    given = dict(options.hypers or {})
    if options.optimizer is not None and not isinstance(options.optimizer, str):
        if options.lr is not None or given or options.weights is not None:
            named = "lr" if options.lr is not None else next(iter(given), "weights")
            raise InputError(f"{named} with an optimizer of your own: it would have no effect. Set it in the function that makes it.")
        return options.optimizer, None, {}
    lr = None if options.lr is None else number("lr", options.lr, above=0.0, below=float("inf"))
    if recipe is not None and options.optimizer in (None, recipe.optimizer):
        return recipe.optimizer, lr or recipe.lr, {**recipe.hypers, **given}
    if recipe is not None:
        given_both = f"optimizer={options.optimizer!r} with a recipe of {recipe.optimizer!r}"
        raise InputError(f"{given_both}: its rate was tuned for that one. Leave one of them out.", given=options.optimizer)
    name = options.optimizer or DEFAULT_OPTIMIZER
    entry = get(name)
    _check_needs(name, entry.rule.needs)
    defaults: dict[str, Any] = {}
    if name == DEFAULT_OPTIMIZER:
        defaults = {"weight_decay": WEIGHT_DECAY, "beta2": TRANSFORMER_BETA2 if is_transformer(task.build(0)) else BETA2}
        defaults = {} if "betas" in given else defaults
    rates = {hyper.symbol: entry.defaults.get(hyper.symbol, hyper.default) for hyper in entry.rule.hypers}
    return name, rates["lr"] if lr is None else lr, defaults | given


def _check_needs(name: str, needs: frozenset[str]) -> None:
    if "curvature" in needs:
        allowed = "needs estimates of the curvature, which the trainer does not make"
        raise InputError(f"{name!r} {allowed}. Race it, or use its class in a loop of your own.", given=name)


def is_transformer(model: nn.Module) -> bool:
    """Whether a module of attention is in it, by its class's name."""
    return any("attention" in type(part).__name__.lower() for part in model.modules())


def _schedule(options: Options, recipe: Recipe | None, steps: int) -> Schedule:
    if isinstance(options.schedule, Schedule):
        own = options.schedule.horizon
        if own is not None and own > steps:
            raise InputError(
                f"the schedule's horizon is {own:,} steps and the training's {steps:,}: the rate would end where it should not. "
                "Leave horizon= out, or train as many steps.",
                given=own,
            )
        return options.schedule if options.warmup is None else options.schedule.warmup(options.warmup)
    given: Any = options.schedule
    if given is not None and not isinstance(given, str):
        kind = type(given).__name__
        raise InputError(f"schedule is of type {kind}: must be a name or a ravine.schedules.Schedule. Use one, or a loop of your own.")
    if recipe is not None and options.schedule in (None, recipe.schedule):
        scaled = recipe.warmup if steps == recipe.steps else round(recipe.warmup * steps / recipe.steps)
        name, warmup = recipe.schedule, options.warmup if options.warmup is not None else scaled
    else:
        name = options.schedule or DEFAULT_SCHEDULE
        # What begins low by itself needs no warm-up.
        usual = round(WARMUP * steps) if create_schedule(name, horizon=steps)(0) >= 1.0 else 0
        warmup = options.warmup if options.warmup is not None else usual
    return create_schedule(name, horizon=steps).warmup(warmup)


def _clip(options: Options, recipe: Recipe | None) -> float | None:
    if options.clip is not None:
        return number("clip", options.clip, at_least=0.0, below=float("inf"), do="0 is no clipping.") or None
    return None if recipe is not None else CLIP


def _precision(options: Options, device: torch.device) -> str:
    given = options.precision or "auto"
    return precision.automatic(device) if given == "auto" else precision.check(given)


def _weights(options: Options, chosen: str) -> str:
    if options.weights is not None and chosen != "pure_bf16":
        raise InputError(f"weights={options.weights!r} with precision {chosen!r}: it has an effect on 'pure_bf16' only. Leave it out.")
    return options.weights or ("master" if chosen == "pure_bf16" else "plain")
