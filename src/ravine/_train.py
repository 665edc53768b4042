"""The public function behind `ravine.train`; it joins the layers below and holds no logic of its own."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ravine._api import Result
from ravine.base.errors import InputError
from ravine.records import open_record
from ravine.tasks import Task

if TYPE_CHECKING:
    from ravine.trainer import Trained

__all__ = ["train"]


def train(
    task: Task | str,
    recipe: Any = None,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    optimizer: Any = None,
    lr: float | None = None,
    hypers: Mapping[str, Any] | None = None,
    schedule: Any = None,
    snapshots: int | None = None,
    warmup: int | float | None = None,
    clip: float | None = None,
    precision: str | None = None,
    weights: str | None = None,
    ema: float | None = None,
    augment: Any = None,
    recompute: Sequence[str] | None = None,
    compile: bool = False,
    evaluate_every: int | None = None,
    monitor: str | None = None,
    patience: int | None = None,
    seed: int | None = None,
    device: str = "cpu",
    check: bool | None = None,
    out: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    save_s: float = 30.0,
    log: str | Sequence[str] | None = None,
    observer: Any = None,
    strategy: str | None = None,
) -> "Trained":
    """Train a model: by the recipe of a race, or with AdamW, a warm-up and a cosine.

    Without a recipe: AdamW with beta2 0.999 (0.95 where the model has attention), decay 0.1 on weights only, 3 % warm-up,
    then a cosine to 0, gradients clipped to a norm of 1, and bfloat16 where a GPU computes in it. With one: what the race
    ran, from the same weights on the same batches, unless an option says otherwise.

    Args:
        task: a `Task`, or text as on the command line ("digits", "file.py:name").
        recipe: what `result.recipe()` returned, a `Result`, or the path of a record.
        steps: optimiser steps; or `epochs`. Those of the recipe, or 1,000, if neither is given.
        epochs: passes over the training split.
        batch_size: rows of a step; the recipe's or the task's if None.
        accumulate: pieces in which the gradients of a batch are computed, each weighted by its rows; more need less memory.
        optimizer: a registry name, or a function of the model that returns an optimizer.
        lr: peak rate.
        hypers: other hypers of the optimiser, such as {"weight_decay": 0.1}.
        schedule: registry name, with settings such as "cosine:floor=0.1", or a schedule of `ravine.schedules`; "plateau"
            looks at the monitored metric. Or a mapping of these by key of the param groups, such as {"lr": "one_cycle",
            "momentum": "one_cycle"}; or a list of mappings, one a group.
        snapshots: train in so many cycles of a cosine with warm restarts, keep the weights at the end of each, and
            measure their mean prediction besides the last model's.
        warmup: steps of linear warm-up, or a share of all below 1.
        clip: largest norm of all gradients together; 0 for no clipping.
        precision: "fp32", "bf16" or "fp16" (autocast), "pure_bf16", or "auto": bf16 where a GPU computes in it, else fp32.
        weights: of pure_bf16: "master" (float32 copies), "stochastic", "kahan" or "plain".
        ema: decay of a moving average of the weights, which is then what is evaluated and returned; 0 for none.
        augment: transforms of `ravine.trainer`, or text such as "crop=4,flip,mixup=0.2".
        recompute: names of modules whose activations are computed again in the backward pass, to save memory.
        compile: compile the model first.
        evaluate_every: steps between two evaluations; 20 in all if None.
        monitor: "loss" or the metric that says which evaluation is the best; the task's `rank_by` if None.
        patience: end after so many evaluations without a better one, with the weights of the best.
        seed: of weights, order of rows and draws; the recipe's or 0 if None.
        device: "auto", "cpu" or "cuda".
        check: try the initial loss and one batch first; before runs of 1,000 steps and more if None.
        out: a folder for checkpoints and weights; nothing is written if None.
        force: replace a training in `out`.
        resume: go on with the one in `out`, if there is one, and end with the bits that it would have had.
        save_s: seconds between two checkpoints.
        log: "tensorboard", "mlflow" or "wandb" (offline), or several; "tensorboard:FOLDER" writes to a folder of its own
            instead of one in `out`.
        observer: told of everything as it happens (`ravine.trainer.Observer`), in the first process.
        strategy: under torchrun, how the model lies over the processes: "ddp", "fsdp" or "zero1"; ddp if None.

    Returns:
        the `ravine.trainer.Trained`, with the model, its metrics and its history.

    Raises:
        InputError: an option is unusable, or `out` holds another training.
        DivergedError: a loss or gradient is not finite; the step was not taken.
        TaskError, DataError, RecordError: the task, its data or what lies in `out` is unusable.

    Example:
        >>> trained = train("line", steps=20)
        >>> trained.step, sorted(trained.metrics)
        (20, ['test', 'validation'])
    """
    return _trained(dict(locals()))


def _trained(given: Mapping[str, Any]) -> "Trained":
    """What `train` returns, from everything that it was given, by name."""
    from ravine.trainer import Options
    from ravine.trainer.distributed import joined
    from ravine.trainer.starting import begin

    with joined(given["strategy"], given["device"]) as processes:
        with processes.together():
            task, recipe = _task_and_recipe(given["task"], given["recipe"])
            options = Options(**{field.name: given[field.name] for field in fields(Options)})
            place = _place(given["out"], force=given["force"], resume=given["resume"])
        log = given["log"] if processes.is_first else None
        with _logged(log, task.name, None if place is None else place[0], given["observer"]) as tell:
            return begin(task, options, recipe, place=place, save_s=given["save_s"], observer=tell, processes=processes)


def _logged(log: Any, name: str, out: Path | None, observer: Any) -> AbstractContextManager[Any]:
    """The observer, in front of the trackers that were asked for."""
    if not log:
        return nullcontext(observer)
    from ravine.report.training_log import logged

    return logged(log, name, out, observer)


def _place(out: str | Path | None, *, force: bool, resume: bool) -> tuple[Path, Literal["keep", "replace", "resume"]] | None:
    """The folder, and what to do with a training in it."""
    if resume and out is None:
        raise InputError("resume=True without out: name the folder to go on with, such as out='trained'.")
    if force and out is None:
        raise InputError("force=True without out: there is nothing to replace. Leave it out, or name the folder with out.")
    if resume and force:
        raise InputError("resume and force exclude each other: resume goes on with the training in out, force replaces it.")
    return None if out is None else (Path(out), "resume" if resume else "replace" if force else "keep")


def _task_and_recipe(task: Task | str, recipe: Any) -> tuple[Task, Any]:
    """The task, loaded, and the recipe, read from its record where a path was given."""
    from ravine.tasks import load

    loaded = load(task) if isinstance(task, str) else task
    if isinstance(recipe, Result):
        recipe = recipe.path
    if isinstance(recipe, str | Path):
        from ravine.race.recipe import make_recipe

        with open_record(recipe) as record:
            recipe = make_recipe(record, loaded)
    return loaded, recipe
