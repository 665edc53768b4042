"""A record in the formats of other tools: lanes, every training loss, evaluations and ranking."""

import csv
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ravine.base._checks import unknown_name
from ravine.base._extras import require
from ravine.base.errors import InputError
from ravine.records import Record
from ravine.report.tables import lane_rows, ranking_rows
from ravine.report.trackers import to_mlflow, to_tensorboard, to_wandb


def export(record: Record, to: str, path: str | os.PathLike[str]) -> Path:
    """Write `record` as a new folder in another tool's format, whole or not at all, and return the folder.

    Args:
        record: finished or not; of a race that runs, what is there.
        to: one of `FORMATS`.
        path: the folder; it must not exist.

    Raises:
        UnknownNameError: there is no such format.
        InputError: the folder exists, or cannot be written.
        MissingExtraError: the format's library is not installed.
    """
    if to not in FORMATS:
        raise unknown_name("export format", to, FORMATS)
    target = Path(path)
    if os.path.lexists(target):
        raise InputError(f"{target} exists; give the name of a folder that does not, with -o.", given=target)
    if not target.absolute().parent.is_dir():
        folder = target.absolute().parent
        raise InputError(
            f"{target} cannot be written: the folder {folder} does not exist; create it, or give another with -o.", given=target
        )
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        draft.mkdir()
        FORMATS[to](record, draft)
        draft.rename(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{target} cannot be written: {reason}; check the folder and the free space.", given=target) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def to_csv(record: Record, folder: Path) -> None:
    """`lanes.csv`, `losses.csv`, `evaluations.csv` and `ranking.csv`; numbers are written so that they read back to the same bits."""
    _write_csv(folder / "lanes.csv", lane_rows(record))
    _write_csv(folder / "ranking.csv", ranking_rows(record))
    found = record.evaluations()
    rows = zip(found.lane.tolist(), found.step.tolist(), found.split.tolist(), found.metric.tolist(), found.value.tolist(), strict=True)
    _write_rows(folder / "evaluations.csv", ["lane", "step", "split", "metric", "value"], rows)
    # numpy's float32 prints its own shortest digits; as a Python float it would print a double's.
    losses = ((lane, step, str(loss)) for lane, values in _losses(record) for step, loss in enumerate(values))
    _write_rows(folder / "losses.csv", ["lane", "step", "loss"], losses)


def to_parquet(record: Record, folder: Path) -> None:
    """The same four tables as Parquet; training losses are float32 as in the record."""
    arrow, parquet = (require(name, extra="parquet", purpose="export to Parquet") for name in ("pyarrow", "pyarrow.parquet"))
    for name, rows in (("lanes", lane_rows(record)), ("ranking", ranking_rows(record))):
        parquet.write_table(arrow.table(_columns(rows)), folder / f"{name}.parquet")
    found = record.evaluations()
    columns = {name: getattr(found, name) for name in found.__dataclass_fields__}
    parquet.write_table(arrow.table(columns), folder / "evaluations.parquet")
    schema = arrow.schema([("lane", arrow.int64()), ("step", arrow.int64()), ("loss", arrow.float32())])
    with parquet.ParquetWriter(folder / "losses.parquet", schema) as writer:
        for lane, losses in _losses(record):
            steps = np.arange(len(losses))
            writer.write_table(arrow.table([np.full(len(losses), lane), steps, losses], schema=schema))


FORMATS: Mapping[str, Callable[[Record, Path], None]] = {
    "csv": to_csv,
    "parquet": to_parquet,
    "tensorboard": to_tensorboard,
    "mlflow": to_mlflow,
    "wandb": to_wandb,
}
"""What `export` writes, each into a folder that exists and is empty."""


def _losses(record: Record) -> Iterator[tuple[int, np.ndarray]]:
    for lane in record.lanes():
        yield lane.lane, record.losses(lane.lane)


def _columns(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    columns = _columns(rows)
    _write_rows(path, list(columns), zip(*columns.values(), strict=True))


def _write_rows(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
