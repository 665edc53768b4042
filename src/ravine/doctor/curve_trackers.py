"""Curves from the logs of experiment trackers: TensorBoard's event files, and W&B's offline runs."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ravine.base._extras import require
from ravine.base.errors import InputError

Columns = dict[str, tuple[list[float], list[float]]]

EVENTS, RUN = "*tfevents*", "*.wandb"

BLOCK, HEADER = 32768, 7
"""Bytes of a block of W&B's log, and of what stands at its beginning and before each part of a record."""
LAST = (1, 4)
"""Kinds of parts that end a record."""


def is_events(path: Path) -> bool:
    """Whether it is a file of TensorBoard's events, or a folder with any."""
    return "tfevents" in path.name if path.is_file() else next(path.rglob(EVENTS), None) is not None


def is_wandb(path: Path) -> bool:
    """Whether it is the log of a run of W&B, or a folder with any."""
    return path.suffix == ".wandb" if path.is_file() else next(path.rglob(RUN), None) is not None


def read_events(path: Path) -> Columns:
    """Every scalar of the one run in a folder.

    Raises:
        InputError: there are several runs.
        MissingExtraError: TensorBoard is not installed.
    """
    place = path if path.is_file() else _one(path, sorted({file.parent for file in path.rglob(EVENTS)}))
    purpose = "reading TensorBoard events"
    accumulator = require("tensorboard.backend.event_processing.event_accumulator", extra="tensorboard", purpose=purpose)
    arrays = require("tensorboard.util.tensor_util", extra="tensorboard", purpose=purpose)
    # Steps that a resumed run wrote again are told as such by whoever orders them.
    events = accumulator.EventAccumulator(str(place), size_guidance={"scalars": 0, "tensors": 0}, purge_orphaned_data=False)
    events.Reload()
    found: Columns = {}
    tags = events.Tags()
    for tag in tags["scalars"]:
        points = events.Scalars(tag)
        found[tag] = [float(point.step) for point in points], [float(point.value) for point in points]
    for tag in tags["tensors"]:
        held = [(event.step, arrays.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        if held and all(array.size == 1 and array.dtype.kind == "f" for _, array in held):
            found[tag] = [float(step) for step, _ in held], [float(array.reshape(())) for _, array in held]
    return found


def read_wandb(path: Path) -> Columns:
    """Everything in the history of the one run in a folder.

    Raises:
        InputError: there are several runs.
        MissingExtraError: W&B is not installed.
    """
    file = path if path.is_file() else _one(path, sorted(path.rglob(RUN)))
    found: Columns = {}
    for step, row in _history(file):
        for name, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and not name.startswith("_"):
                steps, values = found.setdefault(name, ([], []))
                steps.append(step)
                values.append(float(value))
    return found


def _history(file: Path) -> Iterator[tuple[float, dict[str, Any]]]:
    messages = require("wandb.proto.wandb_internal_pb2", extra="wandb", purpose="reading runs of W&B")
    for data in _records(file.read_bytes()):
        message = messages.Record()
        message.ParseFromString(data)
        if message.WhichOneof("record_type") == "history":
            row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in message.history.item}
            yield float(row.get("_step", message.history.step.num)), row


def _records(log: bytes) -> Iterator[bytes]:
    """What a log holds: LevelDB's framing, in which a record may lie over several blocks.

    The log of a run that was killed ends within a record; what stands before it is whole.
    """
    place, begun = HEADER, b""
    while place + HEADER <= len(log):
        left = BLOCK - place % BLOCK
        if left < HEADER:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", log, place)
        place += HEADER + length
        begun += log[place - length : place]
        if place <= len(log) and kind in LAST:
            yield begun
            begun = b""


def _one(path: Path, runs: list[Path]) -> Path:
    if len(runs) == 1:
        return runs[0]
    listed = ", ".join(str(run.relative_to(path)) for run in runs[:6]) + (" and more" if len(runs) > 6 else "")
    raise InputError(f"--curve {path} holds {len(runs)} runs ({listed}): give the folder of one, as in --curve {runs[0]}.", given=path)
