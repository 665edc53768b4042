"""The public functions behind `ravine.diagnose` and `ravine.range_test`; they join the layers below and hold no logic of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ravine.tasks import Task

if TYPE_CHECKING:
    from ravine.records.findings import Diagnosis
    from ravine.records.run_curves import CurveReading
    from ravine.records.sweeps import RangeTest

__all__ = ["diagnose", "diagnose_curve", "diagnose_lane", "range_test"]


def diagnose(
    task: Task | str,
    *,
    optimizer: str = "adamw",
    lr: float | None = None,
    hypers: Mapping[str, float] | None = None,
    steps: int = 200,
    seeds: int = 3,
    seed: int = 0,
    observer: Callable[[str], object] | None = None,
) -> "Diagnosis":
    """Walk the debugging ladder: why is this model not learning?

    A rung that a lower one makes meaningless is skipped, and says why. Nothing of the task is changed; what its code raises becomes
    a finding.

    Args:
        task: a `Task`, or text as on the command line ("digits", "file.py:name").
        optimizer: registry name.
        lr: the rate that you train with; without it, only its bounds are told, and short trainings take the usual one.
        hypers: other hypers of the optimiser, such as {"momentum": 0.95}.
        steps: of each short training; fewer where a step is slow.
        seeds: lanes that a measurement is repeated on.
        seed: of everything random.
        observer: told the name of each rung before it is climbed.

    Returns:
        the findings, most severe first, as a sequence that also has `rungs`, `has_errors` and `summary()`.

    Raises:
        InputError: an option is unusable.
        TaskError: the text names no task that can be loaded.

    Example:
        >>> diagnosis = diagnose("curve", steps=30)
        >>> diagnosis.has_errors, diagnosis.rung("loading").verdict
        (False, 'pass')
    """
    from ravine.doctor import Settings, examine
    from ravine.tasks import load

    loaded = load(task) if isinstance(task, str) else task
    settings = Settings(optimizer=optimizer, lr=lr, hypers=hypers or {}, steps=steps, seeds=seeds, seed=seed)
    return examine(loaded, settings, observer)


def range_test(
    task: Task | str,
    *,
    optimizer: str = "adamw",
    seeds: int = 3,
    steps: int | None = None,
    from_lr: float | None = None,
    to_lr: float | None = None,
    seed: int = 0,
) -> "RangeTest":
    """Raise the rate from step to step on several seeds: where the loss begins to fall, and where it diverges.

    It bounds the rate and does not pick it.

    Args:
        task: a `Task`, or text as on the command line.
        optimizer: registry name.
        seeds: lanes.
        steps: of the ramp; 200 if None.
        from_lr: first rate; 4 decades below the optimiser's usual one if None.
        to_lr: last rate; 3 decades above it if None.
        seed: of everything random.

    Returns:
        the bounds of every seed, with `descent`, `divergence` and `summary()`.

    Raises:
        InputError: an option is unusable.
        TaskError, DataError: the task cannot be trained.

    Example:
        >>> test = range_test("line", optimizer="sgd", seeds=2)
        >>> test.descent < 0.1 < test.divergence
        True
    """
    from ravine.doctor import range_test as run
    from ravine.tasks import load

    loaded = load(task) if isinstance(task, str) else task
    return run(loaded, optimizer=optimizer, seeds=seeds, steps=steps, from_lr=from_lr, to_lr=to_lr, race_seed=seed)


def diagnose_lane(record: str | Path, lane: int, task: Task | None = None) -> "Diagnosis":
    """Train a lane of a race again, compare it with its record, and examine it.

    Args:
        record: of the race.
        lane: its number, see `ravine show FILE.ravine --lanes`.
        task: what was raced; loaded by the reference in the record if None.

    Returns:
        the findings; `task["replay"]` says whether the losses have the bits of the record.

    Raises:
        InputError: the record has no such lane, or its task is not at hand or was changed.
        RecordError, TaskError: the record or the task cannot be loaded.
    """
    from ravine._lanes import diagnose_lane as run

    return run(Path(record), lane, task)


def diagnose_curve(path: str | Path, columns: Mapping[str, str] | None = None) -> "CurveReading":
    """Read the curve of a run that any tool has logged.

    Args:
        path: CSV, JSON, `trainer_state.json`, or a folder of TensorBoard or of an offline run of W&B.
        columns: "step", "loss", "val_loss" or "accuracy" -> name of its column, where it is not one of the usual names.

    Returns:
        the curve, its diagnosis, and marks for a figure.

    Raises:
        InputError: the file cannot be read, or has no such column.
        MissingExtraError: the tool whose log it is is not installed.
    """
    from ravine.doctor.curve_files import read_curve
    from ravine.doctor.curve_reading import read

    return read(read_curve(Path(path), columns))
