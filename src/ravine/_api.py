"""The public functions behind `ravine.race` and its result; they join the layers below and hold no logic of their own."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ravine.base.errors import InputError
from ravine.records import RankedEntrant, Record, open_record
from ravine.tasks import Task

__all__ = ["Recommendation", "Result", "open_record", "race"]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What a race recommends.

    Attributes:
        optimizer, lr, schedule: the recipe; None where the race supports none (every lane diverged, or a shared rate).
        tied_with: entrants that cannot be told apart from it.
        sentence: the recommendation in words, with its limits.
    """

    optimizer: str | None
    lr: float | None
    schedule: str | None
    tied_with: tuple[str, ...]
    sentence: str


class Result:
    """A finished race: its record and what can be said of it.

    Args:
        path: the record.
        task: the task that was raced, where it is at hand; `recipe` then needs no reference to load it again.
    """

    def __init__(self, path: str | Path, task: Task | None = None) -> None:
        self.path, self._task = Path(path), task

    def __repr__(self) -> str:
        return f"Result({str(self.path)!r})"

    def record(self) -> Record:
        """The record, opened for reading; close it, or use it as a context manager."""
        return open_record(self.path)

    @property
    def ranking(self) -> list[RankedEntrant]:
        """Entrants, best first."""
        with self.record() as record:
            return record.ranking()

    @property
    def recommendation(self) -> Recommendation:
        """What to use, and how far that goes."""
        facts = self.summary()["recommendation"]
        return Recommendation(facts["optimizer"], facts["lr"], facts["schedule"], tuple(facts["tied_with"]), facts["sentence"])

    def summary(self) -> dict[str, Any]:
        """The race as `ravine show --json` prints it (schema 1)."""
        from ravine.report import summary

        with self.record() as record:
            return summary(record)

    def table(self) -> str:
        """The ranked table as text."""
        from ravine.report import table

        with self.record() as record:
            return table(record)

    def figure(self, path: str | Path) -> Path:
        """Draw curves and rate sensitivity to a PNG, SVG or PDF file."""
        from ravine.report import race_figure

        with self.record() as record:
            race_figure(record, path)
        return Path(path)

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML page."""
        from ravine.report import report

        with self.record() as record:
            report(record, path)
        return Path(path)

    def export(self, to: str, path: str | Path) -> Path:
        """Write lanes, losses, evaluations and ranking as a new folder for "csv", "parquet", "tensorboard", "mlflow" or "wandb"."""
        from ravine.report import export

        with self.record() as record:
            return export(record, to, path)

    def recipe(self) -> Any:
        """The recommended recipe; its `code()` is a plain PyTorch script that does not import ravine."""
        from ravine.race.recipe import make_recipe

        with self.record() as record:
            return make_recipe(record, self._task)


def race(
    task: Task | str,
    *,
    optimizers: Sequence[str] | None = None,
    schedule: str = "constant",
    steps: int | None = None,
    epochs: float | None = None,
    seeds: int = 5,
    lrs: Sequence[float] | None = None,
    shared_lr: float | None = None,
    exhaustive: bool = False,
    target: float | None = None,
    race_seed: int = 0,
    device: str = "cpu",
    workers: int | str = 1,
    out: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    snapshot_s: float = 30.0,
    observer: Any = None,
) -> Result:
    """Race optimisers on a task: each tuned on its own rates, ranked on fresh seeds with intervals and ties.

    Args:
        task: a `Task`, or text as on the command line ("digits", "file.py:name").
        optimizers: registry names; a sensible six if None. A name given twice is raced against itself.
        schedule: shape of the rate over the horizon.
        steps: optimiser steps of every lane; or `epochs`. 1,000 steps if neither is given.
        epochs: passes over the training split.
        seeds: fresh seeds of the final; intervals need at least 2, and 5 or more say something.
        lrs: rates for every optimiser instead of its own 12 half-decades.
        shared_lr: one rate for all: the textbook figure, never a recommendation.
        exhaustive: run every rate to its end; by default the number of rates is halved at rungs on the way.
        target: value of the ranking metric to reach; by default 10 % short of what the reference reaches.
        race_seed: seed of everything random.
        device: "auto", "cpu" or "cuda".
        workers: processes that share the lanes; "auto" decides by the forecast. More than one needs a task that
            another process can load: a built-in, a file, or a picklable `Task`.
        out: the record; a temporary file that outlives the call if None.
        force: replace an existing record at `out`.
        resume: go on with the race in the record at `out`, which was interrupted or killed, and end with the bits that it
            would have had; all other options must be those that it was begun with.
        snapshot_s: seconds between two snapshots, from which a killed race can resume; infinity takes none.
        observer: told of everything as it happens (`ravine.race.stage.Observer`).

    Returns:
        the result, with `table()`, `figure()`, `report()`, `recommendation` and `recipe()`.

    Raises:
        PlanError: one sentence for each unusable option.
        TaskError, DataError: the task cannot be raced.
        RecordError: the record cannot be written.

    Example:
        >>> result = race("line", optimizers=["sgd", "adam"], steps=20, seeds=2)
        >>> [entrant.rank for entrant in result.ranking]
        [1, 2]
    """
    from ravine.race.plan import make_plan
    from ravine.race.running import run_race
    from ravine.tasks import load

    existing = _existing(out, force=force, resume=resume)
    loaded = load(task) if isinstance(task, str) else task
    aims: dict[str, Any] = {"lrs": lrs, "shared_lr": shared_lr, "exhaustive": exhaustive, "target": target}
    plan = make_plan(
        loaded,
        optimizers=optimizers,
        schedule=schedule,
        steps=steps,
        epochs=epochs,
        seeds=seeds,
        race_seed=race_seed,
        **aims,
    )
    path = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="ravine-")) / "race.ravine"
    run_race(plan, path, device=device, workers=workers, existing=existing, observer=observer, snapshot_s=snapshot_s)
    return Result(path, loaded)


def _existing(out: str | Path | None, *, force: bool, resume: bool) -> Literal["keep", "replace", "resume"]:
    """What to do with a record that exists."""
    if resume and force:
        raise InputError("resume and force exclude each other: resume goes on with the record at out, force replaces it.")
    if resume and out is None:
        raise InputError("resume=True without out: name the record to go on with, such as out='race.ravine'.")
    return "resume" if resume else "replace" if force else "keep"
