"""`ravine surface slice:TASK`: which models a slice is of, and which slice that makes."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ravine.base.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from ravine.records.slices import LossSlice
    from ravine.tasks import Task

PREFIX = "slice:"
STEPS = 1000
PLANE = 3
"""Models that make a plane."""


def sliced(text: str, given: Mapping[str, Any], *, steps: int | None, seed: int) -> "LossSlice":
    """The slice that was asked for.

    Args:
        text: the task.
        given: values of the options of a slice by their names, None where they were left out.
        steps: of the training, where there is no model yet.
        seed: of the training and the directions.

    Raises:
        InputError: options that do not go together, or no models where they should be.
    """
    folders, trajectory = given["--of"] or [], given["--trajectory"] is not None
    if trajectory and len(folders) != 1:
        raise InputError(f"--trajectory with {len(folders)} --of: must be one folder, of a training with --snapshots. Give its folder.")
    if steps is not None and folders:
        raise InputError("--steps has no effect with --of, since nothing is trained. Leave it out.", given=steps)
    paths = _snapshots(Path(folders[0])) if trajectory else [_weights(Path(folder)) for folder in folders]
    around = {name: given[f"--{name}"] for name in ("dimensions", "span") if given[f"--{name}"] is not None}
    if len(paths) > 1 and around:
        raise InputError(f"--{next(iter(around))} has no effect on several models. Leave it out.", given=next(iter(around.values())))
    from ravine import surfaces
    from ravine.surfaces.slices import check_extent
    from ravine.tasks import load

    many = {} if given["--points"] is None else {"points": given["--points"]}
    check_extent(**around, **many)
    with contextlib.redirect_stdout(sys.stderr):
        task = load(text)
        models = _models(task, paths) or [_trained(task, steps, seed)]
        if len(models) == 1:
            return surfaces.slice_around(task, models[0], seed=seed, **around, **many)
        if len(models) < PLANE:
            return surfaces.slice_between(task, models[0], models[1], **many)
        return surfaces.slice_trajectory(task, models, **many)


def _trained(task: "Task", steps: int | None, seed: int) -> "nn.Module":
    import ravine

    return ravine.train(task, steps=STEPS if steps is None else steps, seed=seed, check=False).model


def _models(task: "Task", paths: Sequence[Path]) -> list["nn.Module"]:
    from ravine.trainer import load_weights

    found = []
    for path in paths:
        model = task.build(0)
        load_weights(model, path)
        found.append(model.eval())
    return found


def _weights(path: Path) -> Path:
    """The file of weights that a folder or a name stands for."""
    if not path.exists():
        raise InputError(f"--of {path} does not exist. Give the folder (--out) of a training: ravine train TASK.", given=path)
    model = path / "model.safetensors" if path.is_dir() else path
    if not model.exists():
        raise InputError(f"--of {path} holds no finished training (model.safetensors). Go on with it: ravine train --resume.", given=path)
    return model


def _snapshots(folder: Path) -> list[Path]:
    """Weights that a training has kept on its way, the last ones included."""
    found = sorted(_weights(folder).parent.glob("snapshot-*.safetensors"))
    if len(found) < PLANE:
        given = f"--of {folder} holds {len(found)} snapshots"
        raise InputError(f"{given}: a plane needs {PLANE}. Train with more: ravine train TASK --snapshots 8.", given=folder)
    return found
