"""The door of the trainer: what lies in the folder, what is set, what is tried first, and then the loop."""

from contextlib import nullcontext
from pathlib import Path
from typing import Literal, TypeAlias

from ravine.base._checks import number
from ravine.base.errors import InputError
from ravine.tasks import Task
from ravine.trainer.checkpoint import BEST, MODEL, Checkpoints, opened
from ravine.trainer.distributed import ALONE, Processes
from ravine.trainer.events import Noted, Observer, unobserved
from ravine.trainer.inspection import inspect
from ravine.trainer.loop import SAVE_S, Trained, train
from ravine.trainer.options import Options, Recipe
from ravine.trainer.resolving import resolve

Existing: TypeAlias = Literal["keep", "replace", "resume"]
"""What to do with a training that lies in the folder: refuse to touch it, replace it, or go on with it."""


def begin(
    task: Task,
    options: Options,
    recipe: Recipe | None = None,
    *,
    place: tuple[Path, Existing] | None = None,
    save_s: float = SAVE_S,
    observer: Observer | None = None,
    processes: Processes = ALONE,
) -> Trained:
    """Train a task, from its beginning or from where it was left.

    Args:
        task: what.
        options: what the caller set.
        recipe: what a race found.
        place: folder of the checkpoints, and what to do with those in it; None keeps nothing.
        save_s: seconds between two checkpoints.
        observer: told of everything, by the first process.
        processes: who trains it together.

    Raises:
        InputError: an option is unusable, or the folder holds another training.
        DivergedError: a loss or gradient is not finite.
        TaskError, DataError, RecordError: the task, its data or a checkpoint is unusable.
    """
    tell = observer if observer is not None and processes.is_first else unobserved
    with processes.together():
        number("save_s", save_s, at_least=0.0)
        task.check()
        settings = resolve(task, options, recipe)
    raced = getattr(getattr(recipe, "task", None), "name", task.name)
    if raced != task.name:
        tell(Noted(f"the recipe was raced on {raced}, not on {task.name}: it holds for that model, data and batch size"))
    with nullcontext() if place is None else opened(place[0], processes) as checkpoints:
        with processes.together():
            if processes.is_first:
                is_fresh = checkpoints is None or _is_fresh(checkpoints, place[1] if place is not None else "keep")
                for sentence in inspect(task, settings) if settings.check and is_fresh else ():
                    tell(Noted(sentence))
        return train(task, settings, checkpoints, save_s=save_s, observer=tell, processes=processes)


def _is_fresh(checkpoints: Checkpoints, existing: Existing) -> bool:
    """Whether the training begins at its beginning; what lies there is refused or removed as asked."""
    if existing == "replace":
        checkpoints.discard()
    held = [*checkpoints.paths(), *(path for path in (checkpoints.folder / BEST, checkpoints.folder / MODEL) if path.exists())]
    if existing == "keep" and held:
        remedy = "Give resume (--resume) to go on with it, force (--force) to replace it, or another folder"
        raise InputError(f"{checkpoints.folder} holds a training ({held[0].name}). {remedy}.", given=checkpoints.folder)
    return not checkpoints.paths()
