"""Runs in the stores of experiment trackers, written point by point: what an export and a training that is watched share."""

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ravine.base._extras import require

MOST_METRICS = 1000
"""As many as MLflow takes at once."""


class Run(Protocol):
    """What takes points."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Values by name at a step; steps never fall."""

    def flush(self) -> None:
        """Bring what was logged to where a reader finds it."""

    def finish(self) -> None:
        """No points follow."""


class TensorBoardRun:
    """An event file. TensorBoard keeps scalars as float32.

    Args:
        folder: of the run.
        wall_time: of every point, in seconds since 1970; its own if None.
        since: step from which on the run is written anew; what an earlier file holds of it is not shown.
    """

    def __init__(self, folder: Path, wall_time: float | None = None, *, since: int | None = None) -> None:
        proto = "tensorboard.compat.proto"
        writers, self._events, self._summaries, self._tensors, self._types = require_all(
            "tensorboard",
            *("tensorboard.summary.writer.event_file_writer", f"{proto}.event_pb2", f"{proto}.summary_pb2"),
            *(f"{proto}.tensor_pb2", f"{proto}.types_pb2"),
        )
        self._writer, self._wall_time = writers.EventFileWriter(str(folder)), wall_time
        if since is not None:
            self._add(since, session_log=self._events.SessionLog(status=self._events.SessionLog.START))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """See `Run`."""
        scalars = [self._summaries.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._add(step, summary=self._summaries.Summary(value=scalars))

    def text(self, tag: str, text: str) -> None:
        """A text in Markdown, at step 0."""
        tensor = self._tensors.TensorProto(dtype=self._types.DT_STRING, string_val=[text.encode()])
        plugin = self._summaries.SummaryMetadata(plugin_data=self._summaries.SummaryMetadata.PluginData(plugin_name="text"))
        value = self._summaries.Summary.Value(tag=f"{tag}/text_summary", tensor=tensor, metadata=plugin)
        self._add(0, summary=self._summaries.Summary(value=[value]))

    def flush(self) -> None:
        """See `Run`."""
        self._writer.flush()

    def finish(self) -> None:
        """See `Run`."""
        self._writer.close()

    def _add(self, step: int, **content: Any) -> None:
        wall_time = time.time() if self._wall_time is None else self._wall_time
        self._writer.add_event(self._events.Event(wall_time=wall_time, step=step, **content))


class MLflowStore:
    """A store of MLflow: a folder, or a server.

    Args:
        place: the folder, or an address such as http://localhost:5000.
        experiment: its name.
    """

    def __init__(self, place: Path | str, experiment: str) -> None:
        tracking, self.entities = require_all("mlflow", "mlflow.tracking", "mlflow.entities")
        uri = place.absolute().as_uri() if isinstance(place, Path) else place
        with _file_store():
            self.client = tracking.MlflowClient(tracking_uri=uri)
            found = self.client.get_experiment_by_name(experiment)
            # Runs hold no artefacts; their place is named relative to where the store is read, which a draft's would not survive.
            given = {"artifact_location": "artifacts"} if isinstance(place, Path) else {}
            self.experiment = found.experiment_id if found is not None else self.client.create_experiment(experiment, **given)

    def run(self, name: str, settings: Mapping[str, Any], tags: Mapping[str, str], stamp_ms: int | None = None) -> "MLflowRun":
        """A new run; its points have the time `stamp_ms`, or their own."""
        return MLflowRun(self, name, settings, tags, stamp_ms)


class MLflowRun:
    """A run of a store."""

    def __init__(self, store: MLflowStore, name: str, settings: Mapping[str, Any], tags: Mapping[str, str], stamp_ms: int | None) -> None:
        self._store, self._stamp_ms, self._waiting = store, stamp_ms, list[Any]()
        with _file_store():
            self._run = store.client.create_run(store.experiment, start_time=self._now(), run_name=name, tags=dict(tags)).info.run_id
            params = [store.entities.Param(_mlflow_name(key), str(value)) for key, value in settings.items()]
            store.client.log_batch(self._run, params=params)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """See `Run`."""
        self._waiting += [self._store.entities.Metric(_mlflow_name(tag), value, self._now(), step) for tag, value in values.items()]
        if len(self._waiting) >= MOST_METRICS:
            self.flush()

    def flush(self) -> None:
        """See `Run`."""
        with _file_store():
            while self._waiting:
                self._store.client.log_batch(self._run, metrics=self._waiting[:MOST_METRICS])
                self._waiting = self._waiting[MOST_METRICS:]

    def finish(self) -> None:
        """See `Run`."""
        self.flush()
        with _file_store():
            self._store.client.set_terminated(self._run, end_time=self._now())

    def _now(self) -> int:
        return round(1000 * time.time()) if self._stamp_ms is None else self._stamp_ms


def _mlflow_name(name: str) -> str:
    """`name` with a dash for every character that MLflow refuses in one: the plus of adamw+cosine, the at of top@5."""
    return re.sub(r"[^\w. :/-]", "-", name)


class WandbRun:
    """A run of W&B.

    Args:
        folder: in which W&B makes its own folder, `wandb`.
        name: of the run.
        config: its settings.
        group: of runs that belong together.
        job_type: what it is.
        mode: "offline", so that nothing leaves the machine; or what else W&B knows.
    """

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any], *, group: str, job_type: str, mode: str = "offline") -> None:
        [wandb] = require_all("wandb", "wandb")
        settings = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False)
        given = {"name": name, "job_type": job_type, "config": dict(config), "group": group, "project": "ravine"}
        self.run = wandb.init(mode=mode, dir=str(folder), reinit="create_new", settings=settings, **given)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """See `Run`."""
        self.run.log(dict(values), step=step)

    def flush(self) -> None:
        """See `Run`; W&B writes by itself."""

    def finish(self) -> None:
        """See `Run`."""
        self.run.finish()


def require_all(extra: str, *names: str) -> list[Any]:
    """The modules of a tracker.

    Raises:
        MissingExtraError: it is not installed; the message names the extra.
    """
    purpose = {"tensorboard": "runs for TensorBoard", "mlflow": "runs for MLflow", "wandb": "runs for W&B"}[extra]
    return [require(name, extra=extra, purpose=purpose) for name in names]


@contextlib.contextmanager
def _file_store() -> Iterator[None]:
    """A block in which MLflow writes to a folder without being told that a database would be better."""
    name = "MLFLOW_ALLOW_FILE_STORE"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
