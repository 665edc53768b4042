"""The public functions behind `ravine.race` and its result; they join the layers below and hold no logic of their own."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ravine.base._importing import end_if_imported_by_worker
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
        hypers: what was tuned besides the rate.
    """

    optimizer: str | None
    lr: float | None
    schedule: str | None
    tied_with: tuple[str, ...]
    sentence: str
    hypers: Mapping[str, float] = field(default_factory=dict)


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
        tied, hypers = tuple(facts["tied_with"]), facts["hypers"]
        return Recommendation(facts["optimizer"], facts["lr"], facts["schedule"], tied, facts["sentence"], hypers)

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

    def figure(self, path: str | Path, *, theme: str = "light") -> Path:
        """Draw curves and rate sensitivity to a PNG, SVG or PDF file; in the theme "light" or "dark"."""
        from ravine.report import race_figure

        with self.record() as record:
            race_figure(record, path, theme=theme)
        return Path(path)

    def report(self, path: str | Path) -> Path:
        """Write one self-contained HTML page, with the recipe's script where the task is at hand or built in."""
        from ravine.race.recipe import printed_recipe
        from ravine.report import is_watched, report, watched_diagnosis
        from ravine.report.diagnosis import write_diagnosis

        with self.record() as record:
            if is_watched(record):
                return write_diagnosis(watched_diagnosis(record), path)
            text, note = printed_recipe(record, self._task)
            report(record, path, recipe=text, recipe_note=note)
        return Path(path)

    def export(self, to: str, path: str | Path) -> Path:
        """Write lanes, losses, evaluations and ranking as a new folder for "csv", "parquet", "tensorboard", "mlflow" or "wandb"."""
        from ravine.report import export

        with self.record() as record:
            return export(record, to, path)

    def recipe(self) -> Any:
        """The recommended recipe; its `code()` is a plain PyTorch script that does not import ravine, `code(form=...)` another."""
        from ravine.race.recipe import make_recipe
        from ravine.report import is_watched

        with self.record() as record:
            if is_watched(record):
                given = f"{self.path} is a training that was watched"
                raise InputError(f"{given}: must be a race, which alone has a recipe. Run `ravine race`.", given=self.path)
            return make_recipe(record, self._task)


def race(
    task: Task | str,
    *,
    optimizers: Sequence[str] | None = None,
    schedule: str = "constant",
    steps: int | None = None,
    epochs: float | None = None,
    seeds: int | None = None,
    min_seeds: int | None = None,
    max_seeds: int | None = None,
    lrs: Sequence[float] | None = None,
    shared_lr: float | None = None,
    exhaustive: bool = False,
    tune: Sequence[str] | None = None,
    configurations: int | None = None,
    budget: str | float | None = None,
    budget_gradients: int | None = None,
    target: float | None = None,
    race_seed: int = 0,
    device: str = "cpu",
    workers: int | str | None = None,
    ray: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    snapshot_s: float = 30.0,
    observer: Any = None,
) -> Result:
    """Race optimisers on a task: each tuned on its own rates, ranked on fresh seeds with intervals and ties.

    Args:
        task: a `Task`, or text as on the command line ("digits", "file.py:name").
        optimizers: registry names, with a schedule's at the end ("adamw+cosine") or without; a sensible six if None.
            A name given twice is raced against itself.
        schedule: shape of the rate over the horizon, for those that name none.
        steps: optimiser steps of every lane; or `epochs`. 1,000 steps if neither is given.
        epochs: passes over the training split.
        seeds: fresh seeds of the final; intervals need at least 2, and 5 or more say something. 5 if left out.
        min_seeds: instead of `seeds`: run so many, and more only while they may change the recommendation,
        max_seeds: up to so many; 3 and 20 where one of the two is left out.
        lrs: rates for every optimiser instead of its own 12 half-decades.
        shared_lr: one rate for all: the textbook figure, never a recommendation.
        exhaustive: run every rate to its end; by default the number of rates is halved at rungs on the way.
        tune: what is tuned besides the rate, such as ["weight_decay", "beta1", "warmup"]; all have the same budget.
        configurations: of that, for each optimiser; 8 if left out.
        budget: time for the whole race, in seconds or as text such as "10m". It decides the steps, or, if these are given, how many
            configurations, seeds and rates there are.
        budget_gradients: the same in gradient evaluations.
        target: value of the ranking metric to reach; by default 10 % short of what the reference reaches.
        race_seed: seed of everything random.
        device: "auto", "cpu" or "cuda".
        workers: processes that share the lanes, 1 if None; "auto" decides by the forecast. More than one needs a task that
            another process can load: a built-in, a file, or a picklable `Task`.
        ray: a Ray cluster whose workers share the lanes, as many as `workers` says or one a CPU: "local" starts one here,
            "auto" is the one on this machine, else its address (extra `ravine[ray]`). This process alone writes the record.
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
    from ravine.race.running import find_device, run_race
    from ravine.tasks import load

    # The device before Ray, which takes seconds to begin.
    existing, chosen = _existing(out, force=force, resume=resume), find_device(_device(device, ray))
    aims: dict[str, Any] = {"lrs": lrs, "shared_lr": shared_lr, "exhaustive": exhaustive, "target": target}
    aims |= {"tune": tune, "configurations": configurations, "budget": budget, "budget_gradients": budget_gradients}
    aims |= {"optimizers": optimizers, "schedule": schedule, "steps": steps, "epochs": epochs, "race_seed": race_seed}
    plan = make_plan(load(task) if isinstance(task, str) else task, seeds=seeds, min_seeds=min_seeds, max_seeds=max_seeds, **aims)
    path = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="ravine-")) / "race.ravine"
    with _staff(ray, workers) as staff:
        run_race(plan, path, device=chosen, workers=staff, existing=existing, observer=observer, snapshot_s=snapshot_s)
    return _diagnosed(path, plan.task)


def _diagnosed(path: Path, task: Task) -> Result:
    """The result of a race, its diverged lanes diagnosed."""
    from ravine._lanes import diagnose_lanes

    diagnose_lanes(path, task)
    return Result(path, task)


def _device(name: str, ray: str | None) -> str:
    """Where lanes live: workers on a cluster are for the CPU."""
    return "cpu" if ray is not None and name == "auto" else name


@contextmanager
def _staff(ray: str | None, workers: int | str | None) -> Iterator[Any]:
    """Who shares the lanes: so many processes here, or workers of a Ray cluster while the block lasts."""
    end_if_imported_by_worker()
    if ray is None:
        yield 1 if workers is None else workers
        return
    from ravine.cluster import connected

    with connected(ray, "auto" if workers is None else workers) as cluster:
        yield cluster


def _existing(out: str | Path | None, *, force: bool, resume: bool) -> Literal["keep", "replace", "resume"]:
    """What to do with a record that exists."""
    if resume and force:
        raise InputError("resume and force exclude each other: resume goes on with the record at out, force replaces it.")
    if resume and out is None:
        raise InputError("resume=True without out: name the record to go on with, such as out='race.ravine'.")
    return "resume" if resume else "replace" if force else "keep"
