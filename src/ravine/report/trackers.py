"""A record in the stores of experiment trackers: a run for each lane and, where the race is ranked, one for the ranking."""

import contextlib
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ravine.base._extras import require
from ravine.records import Lane, Record
from ravine.report.facts import Facts, read_facts
from ravine.report.tables import ranking_rows
from ravine.report.wording import sentence

TRAINING = "train/loss"
"""What the training loss is called; evaluations are SPLIT/METRIC."""

MOST_METRICS = 1000
"""As many as MLflow takes at once."""


def to_tensorboard(record: Record, folder: Path) -> None:
    """Event files, a folder for each lane; TensorBoard keeps scalars as float32. The ranking is a text of the run `ranking`."""
    proto = "tensorboard.compat.proto"
    writers, events, summaries, tensors, types = (
        require(name, extra="tensorboard", purpose="export to TensorBoard")
        for name in (
            *("tensorboard.summary.writer.event_file_writer", f"{proto}.event_pb2", f"{proto}.summary_pb2"),
            *(f"{proto}.tensor_pb2", f"{proto}.types_pb2"),
        )
    )
    facts = read_facts(record)
    wall_time = _created(facts)

    def write(name: str, values: Iterator[tuple[int, Any]]) -> None:
        writer = writers.EventFileWriter(str(folder / name))
        for step, value in values:
            writer.add_event(events.Event(wall_time=wall_time, step=step, summary=summaries.Summary(value=[value])))
        writer.close()

    for lane in facts.lanes:
        points = _points(record, lane)
        write(run_name(lane), ((step, summaries.Summary.Value(tag=tag, simple_value=value)) for tag, step, value in points))
    if facts.ranking:
        text = tensors.TensorProto(dtype=types.DT_STRING, string_val=[_ranking_text(record, facts).encode()])
        plugin = summaries.SummaryMetadata(plugin_data=summaries.SummaryMetadata.PluginData(plugin_name="text"))
        write("ranking", iter([(0, summaries.Summary.Value(tag="ranking/text_summary", tensor=text, metadata=plugin))]))


def to_mlflow(record: Record, folder: Path) -> None:
    """A file store with one experiment, named after the task; a lane's settings are parameters of its run."""
    tracking, entities = (require(name, extra="mlflow", purpose="export to MLflow") for name in ("mlflow.tracking", "mlflow.entities"))
    facts = read_facts(record)
    stamp = round(1000 * _created(facts))
    with _environment(MLFLOW_ALLOW_FILE_STORE="true"):
        client = tracking.MlflowClient(tracking_uri=folder.absolute().as_uri())
        # Runs hold no artefacts; their place is named relative to where the store is read, which the draft's would not survive.
        experiment = client.create_experiment(_name(facts), artifact_location="artifacts")

        def write(name: str, settings: Mapping[str, Any], points: Iterator[tuple[str, int, float]], tags: Mapping[str, str]) -> None:
            run = client.create_run(experiment, start_time=stamp, run_name=name, tags=tags).info.run_id
            client.log_batch(run, params=[entities.Param(key, str(value)) for key, value in settings.items()])
            while block := [entities.Metric(tag, value, stamp, step) for tag, step, value in islice(points, MOST_METRICS)]:
                client.log_batch(run, metrics=block)
            client.set_terminated(run, end_time=stamp)

        for lane in facts.lanes:
            write(run_name(lane), _settings(lane), _points(record, lane), {"stage": lane.stage})
        if facts.ranking:
            numbers = ((f"{name}/{key}", 0, value) for name, row in _ranking_numbers(record).items() for key, value in row.items())
            write("ranking", {}, numbers, {"mlflow.note.content": sentence(facts)})


def to_wandb(record: Record, folder: Path) -> None:
    """Runs of W&B's offline mode, one for each lane in a group of the task's name: `wandb sync FOLDER/offline-run-*` sends them."""
    wandb = require("wandb", extra="wandb", purpose="export to W&B")
    facts = read_facts(record)
    settings = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False)

    with tempfile.TemporaryDirectory(prefix="ravine-") as place:

        def begin(name: str, stage: str, config: Mapping[str, Any]) -> Any:
            given = {"name": name, "job_type": stage, "config": dict(config), "group": _name(facts), "project": "ravine"}
            return wandb.init(mode="offline", dir=place, reinit="create_new", settings=settings, **given)

        for lane in facts.lanes:
            run = begin(run_name(lane), lane.stage, _settings(lane))
            rows: dict[int, dict[str, float]] = defaultdict(dict)
            for tag, step, value in _points(record, lane):
                rows[step][tag] = value
            for step in sorted(rows):
                run.log(rows[step], step=step)
            run.finish()
        if facts.ranking:
            run = begin("ranking", "ranking", {"sentence": sentence(facts)})
            run.summary.update({f"{name}/{key}": value for name, row in _ranking_numbers(record).items() for key, value in row.items()})
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


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Environment variables that hold inside the block only."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
