"""What a caller may set, and what a recipe sets for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from torch import nn

from ravine.trainer.augmentation import Transform

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
        schedule: registry name, with settings such as "cosine:floor=0.1", or a schedule; or a mapping of these by key of
            the param groups, such as {"lr": "one_cycle", "momentum": "one_cycle"}; or a list of mappings, one a group.
        snapshots: cycles of a cosine with warm restarts, the weights at whose ends predict together.
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
    schedule: Any = None
    snapshots: int | None = None
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
