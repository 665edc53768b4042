"""How much memory there is, and how many lanes and workers it holds."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ravine.base.errors import TaskError
from ravine.fleet.devices import free_bytes as free_on_cuda
from ravine.fleet.lanes import Lane
from ravine.fleet.memory import FIRST_USE_BYTES, PROCESS_BYTES, SLACK, Footprint

SHARE = 0.8
"""Part of the free memory that a fleet plans with: other programs live too, and a forecast is no promise."""

_UNLIMITED = 2**60


def free_bytes(device: torch.device) -> int:
    """Bytes that this process may still take on a device: free memory, and what the control group leaves of its limit."""
    if device.type == "cuda":
        return free_on_cuda(device)
    return min(_available(Path("/proc/meminfo")), _left_in_group(Path("/sys/fs/cgroup")))


def _available(meminfo: Path) -> int:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return _UNLIMITED
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), _UNLIMITED)


def _left_in_group(root: Path) -> int:
    """What the limit leaves, by version 2 of control groups or version 1; pages of files can be given back."""
    for folder, limit, usage, files in (
        (root, "memory.max", "memory.current", "inactive_file"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such file, or "max"
            continue
        return max(0, most - used + int(stat.get(files, 0)))
    return _UNLIMITED


def lanes_that_fit(footprint: Footprint, lanes: Sequence[Lane], room: int) -> int:
    """Stacked lanes, of the largest kind among `lanes`, that may step together within `room` bytes; at least one."""
    return max(1, int((room * SHARE - FIRST_USE_BYTES) / SLACK // max(1, _one(footprint, lanes, stacked=True))))


def check_room(footprint: Footprint, lanes: Sequence[Lane], room: int, task: str) -> None:
    """Make sure that one lane fits into `room` bytes, trained as an ordinary module.

    Args:
        footprint: of one lane.
        lanes: the lanes of a run.
        room: free bytes.
        task: name, for the error.

    Raises:
        TaskError: it does not.
    """
    needed = int((_one(footprint, lanes, stacked=False) * SLACK + FIRST_USE_BYTES) / SHARE)
    if needed > room:
        state = max((footprint.state(footprint.slots(lane.rule)) for lane in lanes), default=0)
        raise TaskError(
            f"one lane of task {task!r} needs about {in_words(needed)} of memory ({in_words(state)} of it for weights and "
            f"optimiser state, the rest for a step with {footprint.examples} examples), and {in_words(room)} is free: "
            "use a smaller batch or a smaller model."
        )


def _one(footprint: Footprint, lanes: Sequence[Lane], *, stacked: bool) -> int:
    slots = max((footprint.slots(lane.rule) for lane in lanes), default=0)
    return footprint.peak(slots, stacked=stacked) + footprint.batch


def workers_that_fit(one_process: int, room: int) -> int:
    """Worker processes that `room` bytes hold, each with a fleet of `one_process` bytes; at least one."""
    return max(1, int(room * SHARE // (one_process + PROCESS_BYTES)))


def in_words(number: int) -> str:
    """A number of bytes as a person reads it."""
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number / 2**10:.3g} KiB"
