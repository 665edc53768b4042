"""Where results go: names that are free, files that may be replaced, and whole files or none."""

import itertools
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ravine.base.errors import InputError, RecordError

RECORD, FIGURE, REPORT = ".ravine", ".png", ".html"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files of one race, which differ by their ending.

    Attributes:
        record: the record.
        figure, report: beside it; None where not wanted.
    """

    record: Path
    figure: Path | None
    report: Path | None

    @property
    def beside(self) -> tuple[Path, ...]:
        """What is drawn from the record."""
        return tuple(path for path in (self.figure, self.report) if path is not None)


def outputs(
    out: Path | None, task_name: str, *, figure: bool, report: bool, force: bool, resume: bool = False, reference: str | None = None
) -> Outputs:
    """Where a race writes to: `out`, or the first free one of NAME.ravine, NAME-2.ravine and so on in the current folder.

    Args:
        out: the record, where it was named.
        task_name: names it otherwise.
        figure: whether one is wanted.
        report: whether one is wanted.
        force: whether what stands there is replaced.
        resume: whether the race of the record there goes on, or the unfinished one of that name.
        reference: of the task, which tells it from others of its name.

    Raises:
        InputError: `out` is no record's name, a figure or report there may not be replaced, or several races of that name could go on.
    """
    if force and resume:
        raise InputError("--force and --resume exclude each other: --resume goes on with the record, --force replaces it.")
    if out is None and force:
        raise InputError("--force has no effect without --out, since the file's name is then a free one. Leave it out, or give --out.")
    if out is not None and out.suffix != RECORD and out.is_dir():
        raise InputError(f"--out {out} is a folder; give the name of a file in it, such as {out / f'race{RECORD}'}.", given=out)
    if out is not None and out.suffix != RECORD:
        raise InputError(f"--out {out}: a record's name ends in {RECORD}. Give --out {out.with_suffix(RECORD)}.", given=out)
    record = (record_to_resume(task_name, reference) if resume else free_record(task_name)) if out is None else out
    result = Outputs(record, record.with_suffix(FIGURE) if figure else None, record.with_suffix(REPORT) if report else None)
    # A record that may not be written is refused by whoever writes it, with a sentence of its own. Beside one that is
    # resumed lies what was drawn from it, if it was finished.
    if record.parent.is_dir() and (force or not os.path.lexists(record)):
        for path in result.beside:
            check_new(path, force=force, option="another --out")
    return result


def free_record(name: str) -> Path:
    """A record's path in the current folder beside which neither record, figure nor report exists."""
    return next(itertools.filterfalse(is_taken, names(name)))


def record_to_resume(name: str, reference: str | None = None) -> Path:
    """The record here of the one unfinished race of a task; its last finished one where there is none, a free path without any.

    What the records say decides, not the times of their files, which a copy or a clock that was set back would change.

    Args:
        name: of the task.
        reference: tells it from others of its name.

    Raises:
        InputError: several are unfinished.
    """
    number = re.compile(rf"{re.escape(stem(name))}(?:-(\d+))?{re.escape(RECORD)}")
    found = {int(match[1] or 1): path for path in Path().iterdir() if (match := number.fullmatch(path.name)) and path.is_file()}
    facts = {path: _facts(path) for _, path in sorted(found.items())}
    ours = {path: held for path, held in facts.items() if held is not None and held.name in (None, name)}
    ours = {path: held for path, held in ours.items() if held.reference == reference} or ours
    unfinished = [path for path, held in ours.items() if held.status != "done"]
    if len(unfinished) > 1:
        listed = f"{', '.join(map(str, unfinished[:-1]))} and {unfinished[-1]}"
        raise InputError(
            f"--resume: {listed} hold unfinished races of {name!r}. Say which, as in --out {unfinished[-1]}.", given=unfinished
        )
    # Where there is nothing but what cannot be read, opening it says why.
    last = [*unfinished, *reversed(ours), *reversed(facts)]
    return last[0] if last else free_record(name)


@dataclass(frozen=True, slots=True)
class _Facts:
    """Whose race a record holds, as far as it was written, and how far it is."""

    name: str | None
    reference: str | None
    status: str | None


def _facts(path: Path) -> _Facts | None:
    """None where it cannot be read."""
    from ravine.records import open_record

    try:
        with open_record(path) as record:
            task, status = record.meta.get("task") or {}, record.meta.get("status")
    except RecordError:
        return None
    return _Facts(task.get("name"), task.get("reference"), status)


def is_taken(path: Path) -> bool:
    """Whether a record, figure or report stands under a record's name."""
    return any(os.path.lexists(path.with_suffix(ending)) for ending in (RECORD, FIGURE, REPORT))


def names(name: str) -> Iterator[Path]:
    """What a record of a task may be called, in the order in which it is tried."""
    first = stem(name)
    yield Path(f"{first}{RECORD}")
    yield from (Path(f"{first}-{number}{RECORD}") for number in itertools.count(2))


def stem(name: str) -> str:
    """What a file of a task is called, without its ending."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "race"


def new_folder(path: Path) -> None:
    """Make a folder where there is none.

    Raises:
        InputError: the file system refuses.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"--out {path}: the folder cannot be made: {reason}; give another one.", given=path) from error


def check_new(path: Path, *, force: bool, option: str = "another name with -o") -> None:
    """Raise `InputError` unless `path` can be written without loss.

    Args:
        path: the file to be.
        force: whether it may replace a file.
        option: how to choose another one, after "or give".
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file in it, such as {path / ('result' + path.suffix)}.", given=path)
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: the folder {path.parent} does not exist; create it, or give {option}.", given=path)
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: the folder {path.parent} is read-only; give {option}.", given=path)
    if os.path.lexists(path) and not force:
        raise InputError(f"{path} exists; give --force to replace it, or give {option}.", given=path)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A draft to write to, which takes the place of `path` once it is complete; a failure leaves `path` as it was.

    Raises:
        InputError: the file system refuses.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path} cannot be written: {reason}; check the folder, its permissions and the free space.", given=path
        ) from error
    finally:
        draft.unlink(missing_ok=True)
