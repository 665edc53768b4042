"""What `ravine doctor` looks at besides a task: a lane of a race, or the curve of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ravine.base.errors import InputError

if TYPE_CHECKING:
    from ravine.records.findings import Diagnosis

RECORD = ".ravine"


def what(
    task: str | None, lane: int | None, curve: Path | None, *, columns: Sequence[str] | None, out: Path | None, own: Mapping[str, bool]
) -> str:
    """The task or record that is looked at; empty for a curve.

    Args:
        task: what was given as TASK.
        lane: of --lane.
        curve: of --curve.
        columns: of --columns.
        out: of --out.
        own: option of a task's examination -> whether it was given.

    Raises:
        InputError: what was given does not go together.
    """
    for name, value in (("--columns", columns), ("--out", out)):
        if value and curve is None:
            raise InputError(f"{name} has no effect without --curve. Leave it out, or give --curve FILE.", given=value)
    if curve is not None and (task is not None or lane is not None):
        given = task if task is not None else f"--lane {lane}"
        raise InputError(f"{given} with --curve {curve}: a curve is read on its own. Leave one of them out.", given=given)
    _refuse_idle(own, "--curve" if curve is not None else "--lane" if lane is not None else "")
    if curve is not None:
        return ""
    if task is None:
        raise InputError("nothing to look at: give a TASK, a record and a lane as in FILE.ravine --lane 3, or --curve FILE.")
    if lane is not None and not task.endswith(RECORD):
        raise InputError(f"--lane {lane} with {task}: lanes are those of a record. Give it as in ravine doctor FILE.ravine --lane {lane}.")
    if lane is None and task.endswith(RECORD):
        raise InputError(f"{task} is a record: say which of its lanes with --lane K. {_candidates(Path(task))}", given=task)
    return task


def _refuse_idle(own: Mapping[str, bool], beside: str) -> None:
    idle = [name for name, is_given in own.items() if is_given]
    if beside and idle:
        why = "a lane has its own settings" if beside == "--lane" else "nothing is trained"
        raise InputError(f"{idle[0]} has no effect with {beside}: {why}. Leave it out.", given=idle[0])


def _candidates(path: Path) -> str:
    """Lanes that are worth a look."""
    from ravine.records import open_record

    with open_record(path) as record:
        lost = [lane.lane for lane in record.lanes() if lane.status == "diverged"]
    if not lost:
        return f"None of them diverged; ravine show {path} --lanes has all."
    return f"These diverged: {', '.join(map(str, lost[:8]))}{' and others' if len(lost) > 8 else ''}."


def examine_lane(record: str, lane: int) -> "Diagnosis":
    """The diagnosis of a lane of a record."""
    from ravine._diagnose import diagnose_lane

    return diagnose_lane(record, lane)


def read_curve(curve: Path, columns: Sequence[str] | None, out: Path | None) -> "Diagnosis":
    """The diagnosis of a curve, drawn where that is asked for."""
    from ravine._diagnose import diagnose_curve

    named = dict[str, str]()
    for part in columns or ():
        role, equals, name = part.partition("=")
        if not equals or not role:
            raise InputError(f"--columns {part}: must be ROLE=NAME. Write it like --columns loss=train_loss.", given=part)
        named[role.strip()] = name.strip()
    if out is not None:
        from ravine.report.drawing import checked

        checked(out)
    reading = diagnose_curve(curve, named)
    if out is not None:
        from ravine.report.curve_figures import curve_figure

        curve_figure(reading, out)
    return reading.diagnosis
