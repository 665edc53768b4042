"""Options, a recipe and defaults resolved into settings."""

from typing import Any

import torch
from torch import nn

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError
from ravine.rules._keeping import takes_storage
from ravine.rules.registry import get
from ravine.tasks import Task
from ravine.trainer import precision
from ravine.trainer.augmentation import create as create_transforms
from ravine.trainer.ensemble import snapshot_steps
from ravine.trainer.options import Maker, Options, Recipe
from ravine.trainer.scheduling import resolve_scheduling
from ravine.trainer.settings import Settings

DEFAULT_STEPS = 1000
EVALUATIONS = 20
"""Evaluations spread evenly over a run where nobody says how many."""
LONG_STEPS = 1000
"""Steps from which on a run is worth the checks before it."""
DEFAULT_OPTIMIZER = "adamw"
WEIGHT_DECAY, CLIP = 0.1, 1.0
"""Of the default recipe."""
BETA2, TRANSFORMER_BETA2 = 0.999, 0.95


def resolve(task: Task, options: Options, recipe: Recipe | None = None) -> Settings:
    """The settings of a training.

    Raises:
        InputError: an option is out of range, or two contradict each other.
        UnknownNameError: an optimiser, schedule, metric or precision that does not exist.
    """
    device = _device(options.device)
    batch_size, accumulate = _batch(task, options, recipe)
    steps = _steps(options, recipe, task.data.sizes["train"] // batch_size)
    monitor = options.monitor or task.rank_by
    every = options.evaluate_every if options.evaluate_every is not None else max(1, round(steps / EVALUATIONS))
    chosen = _precision(options, device)
    optimizer, lr, hypers = _optimizer(task, options, recipe)
    named = optimizer if isinstance(optimizer, str) else None
    up = task.higher_is_better(monitor)
    scheduling = resolve_scheduling(options, recipe, steps, optimizer=named, is_higher_better=up)
    return Settings(
        steps=steps,
        batch_size=batch_size,
        accumulate=accumulate,
        optimizer=optimizer,
        lr=lr,
        hypers=hypers,
        schedule=scheduling.rate,
        others=scheduling.others,
        plateau=scheduling.plateau,
        snapshots=snapshot_steps(task, options.snapshots, scheduling.rate, steps, options.patience),
        spares=recipe is None,
        clip=_clip(options, recipe),
        precision=chosen,
        weights=_weights(options, chosen, named),
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


def _batch(task: Task, options: Options, recipe: Recipe | None) -> tuple[int, int]:
    """Rows of a step, and the pieces in which they are taken."""
    usual = recipe.batch_size if recipe else task.rows_per_step
    batch_size = min(count("batch_size", usual if options.batch_size is None else options.batch_size), task.data.sizes["train"])
    pieces = 1 if options.accumulate is None else options.accumulate
    return batch_size, count("accumulate", pieces, at_most=batch_size, do="Every piece of a batch needs a row.")


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
    defaults: dict[str, Any] = {}
    if name == DEFAULT_OPTIMIZER:
        defaults = {"weight_decay": WEIGHT_DECAY, "beta2": TRANSFORMER_BETA2 if is_transformer(task.build(0)) else BETA2}
        defaults = {} if "betas" in given else defaults
    rates = {hyper.symbol: entry.defaults.get(hyper.symbol, hyper.default) for hyper in entry.rule.hypers}
    return name, rates["lr"] if lr is None else lr, defaults | given


def is_transformer(model: nn.Module) -> bool:
    """Whether a module of attention is in it, by its class's name."""
    return any("attention" in type(part).__name__.lower() for part in model.modules())


def _clip(options: Options, recipe: Recipe | None) -> float | None:
    if options.clip is not None:
        return number("clip", options.clip, at_least=0.0, below=float("inf"), do="0 is no clipping.") or None
    return None if recipe is not None else CLIP


def _precision(options: Options, device: torch.device) -> str:
    given = options.precision or "auto"
    return precision.automatic(device) if given == "auto" else precision.check(given)


def _weights(options: Options, chosen: str, optimizer: str | None) -> str:
    if options.weights is not None and chosen != "pure_bf16":
        raise InputError(f"weights={options.weights!r} with precision {chosen!r}: it has an effect on 'pure_bf16' only. Leave it out.")
    kept = options.weights or ("master" if chosen == "pure_bf16" else "plain")
    if kept != "plain" and optimizer is not None and not takes_storage(optimizer):
        given = f"precision 'pure_bf16' with weights={kept!r} for {optimizer!r}: its class keeps weights as they are"
        raise InputError(f"{given}. Give precision 'bf16', another optimizer, or weights='plain', which loses small updates.", given=kept)
    return kept
