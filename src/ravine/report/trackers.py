"""A record in the stores of experiment trackers: a run for each lane and, where the race is ranked, one for the ranking."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ravine.records import Lane, Record
from ravine.report.facts import Facts, read_facts
from ravine.report.runs import MLflowStore, TensorBoardRun, WandbRun
from ravine.report.tables import ranking_rows
from ravine.report.wording import sentence

TRAINING = "train/loss"
"""What the training loss is called; evaluations are SPLIT/METRIC."""


def to_tensorboard(record: Record, folder: Path) -> None:
    """Event files, a folder for each lane; TensorBoard keeps scalars as float32. The ranking is a text of the run `ranking`."""
    facts = read_facts(record)
    wall_time = _created(facts)
    for lane in facts.lanes:
        run = TensorBoardRun(folder / run_name(lane), wall_time)
        for tag, step, value in _points(record, lane):
            run.log(step, {tag: value})
        run.finish()
    if facts.ranking:
        run = TensorBoardRun(folder / "ranking", wall_time)
        run.text("ranking", _ranking_text(record, facts))
        run.finish()


def to_mlflow(record: Record, folder: Path) -> None:
    """A file store with one experiment, named after the task; a lane's settings are parameters of its run."""
    facts = read_facts(record)
    stamp, store = round(1000 * _created(facts)), MLflowStore(folder, _name(facts))
    for lane in facts.lanes:
        run = store.run(run_name(lane), _settings(lane), {"stage": lane.stage}, stamp)
        for tag, step, value in _points(record, lane):
            run.log(step, {tag: value})
        run.finish()
    if facts.ranking:
        run = store.run("ranking", {}, {"mlflow.note.content": sentence(facts)}, stamp)
        for name, row in _ranking_numbers(record).items():
            run.log(0, {f"{name}/{key}": value for key, value in row.items()})
        run.finish()


def to_wandb(record: Record, folder: Path) -> None:
    """Runs of W&B's offline mode, one for each lane in a group of the task's name: `wandb sync FOLDER/offline-run-*` sends them."""
    facts = read_facts(record)
    # In the same file system: W&B may still write to a run that is moved.
    with tempfile.TemporaryDirectory(prefix=".ravine-", dir=folder) as place:
        for lane in facts.lanes:
            run = WandbRun(Path(place), run_name(lane), _settings(lane), group=_name(facts), job_type=lane.stage)
            rows: dict[int, dict[str, float]] = defaultdict(dict)
            for tag, step, value in _points(record, lane):
                rows[step][tag] = value
            for step in sorted(rows):
                run.log(step, rows[step])
            run.finish()
        if facts.ranking:
            run = WandbRun(Path(place), "ranking", {"sentence": sentence(facts)}, group=_name(facts), job_type="ranking")
            numbers = _ranking_numbers(record)
            run.run.summary.update({f"{name}/{key}": value for name, row in numbers.items() for key, value in row.items()})
            run.finish()
        for found in sorted(Path(place).glob("wandb/offline-run-*")):
            shutil.move(found, folder / found.name)


def run_name(lane: Lane) -> str:
    """What a lane's run is called: sorted by name, lanes stand in their order."""
    return f"{lane.lane:05d}-{lane.stage}-{lane.optimizer}-lr{lane.lr:.3g}-seed{lane.seed}".replace("/", "-")


def _points(record: Record, lane: Lane) -> Iterator[tuple[str, int, float]]:
    """Everything measured on a lane as (name, step, value): training losses, each before its step's update, then evaluations."""
    for step, loss in enumerate(record.losses(lane.lane).tolist()):
        yield TRAINING, step, loss
    found = record.evaluations(lane=lane.lane)
    for step, split, metric, value in zip(
        found.step.tolist(), found.split.tolist(), found.metric.tolist(), found.value.tolist(), strict=True
    ):
        yield f"{split}/{metric}", step, value


def _settings(lane: Lane) -> dict[str, Any]:
    names = ("lane", "stage", "optimizer", "lr", "schedule", "seed", "status", "diverged_at", "reason", "steps_done")
    kept = {name: getattr(lane, name) for name in names if getattr(lane, name) is not None}
    return kept | {f"hypers_{name}": value for name, value in lane.hypers.items()}


def _ranking_numbers(record: Record) -> dict[str, dict[str, float]]:
    rows = {str(row["optimizer"]): row for row in ranking_rows(record)}
    return {name: {key: float(value) for key, value in row.items() if isinstance(value, int | float)} for name, row in rows.items()}


def _ranking_text(record: Record, facts: Facts) -> str:
    """The ranking as Markdown."""
    rows = ranking_rows(record)
    head = " | ".join(rows[0])
    lines = [" | ".join("" if value is None else str(value) for value in row.values()) for row in rows]
    return "\n".join([head, "|".join("---" for _ in rows[0]), *lines, "", sentence(facts)])


def _name(facts: Facts) -> str:
    return str(facts.task.get("name", "race"))


def _created(facts: Facts) -> float:
    """When the race began, in seconds since 1970; 0 where the record does not say."""
    try:
        return datetime.fromisoformat(str(facts.meta.get("created"))).timestamp()
    except ValueError:
        return 0.0
