"""Curves from files of other tools: CSV, also as W&B exports it, and JSON, also the `trainer_state.json` of Hugging Face's Trainer."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.doctor import curve_trackers
from ravine.records.run_curves import RunCurve, Series, series

LOSSES = ("loss", "train_loss", "train/loss", "training_loss", "loss/train", "train/train_loss", "train_loss_step", "training/loss")
STEPS = ("step", "_step", "global_step", "trainer/global_step", "train/global_step", "iteration", "iter", "epoch", "_row")
EVALUATED = ("val", "valid", "validation", "eval", "test", "dev")
METRICS = ("accuracy", "acc", "f1", "auc", "exact_match", "bleu")
"""Metrics that are known to be better when higher; any other is named with --columns accuracy=NAME."""
ROLES = ("step", "loss", "val_loss", "accuracy")
"""What --columns may name."""

Raw = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Name -> steps and values, in the order of the log."""


def read_curve(path: Path, columns: Mapping[str, str] | None = None) -> RunCurve:
    """The curves of a run.

    Args:
        path: a CSV, TSV, JSON or JSON Lines file, a folder or file of TensorBoard events, or of an offline run of W&B.
        columns: role ("step", "loss", "val_loss", "accuracy") -> name of its column, where it is not one of the usual names.

    Raises:
        InputError: the file cannot be read, has no such column, or one whose numbers are none.
        MissingExtraError: the tool whose log it is is not installed.
    """
    given = dict(columns or {})
    for role in given:
        if role not in ROLES:
            raise unknown_name("column for --columns", role, ROLES)
    if not path.exists():
        raise InputError(f"--curve {path} does not exist: give a CSV or JSON file, or a folder that TensorBoard or W&B wrote.", given=path)
    kind, raw = _raw(path, given.pop("step", None))
    # A step counts the values; among the columns it is no measurement.
    raw = {name: values for name, values in raw.items() if _plain(name) not in STEPS}
    loss = _named(path, raw, "loss", given) or _usual(path, raw, LOSSES, "loss")
    if loss is None:
        raise InputError(
            f"{path} has no column for the training loss: it has {_listed(raw)}. Name it, as in --columns loss={next(iter(raw), 'NAME')}.",
            given=path,
        )
    evaluations = {
        "loss": _named(path, raw, "val_loss", given)
        or _usual(path, raw, [one for one in _validated(("loss",)) if one != loss], "val_loss"),
        "accuracy": _named(path, raw, "accuracy", given) or _usual(path, raw, _validated(METRICS), "accuracy"),
    }
    found = {role: _series(raw, name) for role, name in evaluations.items() if name is not None}
    return RunCurve(path.name, kind, _series(raw, loss), found)


def _series(raw: Raw, name: str) -> Series:
    return series(name, *raw[name])


def _validated(names: Sequence[str]) -> list[str]:
    return [f"{split}{mark}{name}" for name in names for split in EVALUATED for mark in ("_", "/")] + [
        f"{name}/{split}" for name in names for split in EVALUATED
    ]


def _plain(name: str) -> str:
    """A column's name without the run that W&B's export puts before it, in lower case."""
    return name.rpartition(" - ")[2].strip().lower()


def _named(path: Path, raw: Raw, role: str, given: Mapping[str, str]) -> str | None:
    """The column that the user named for a role."""
    if role not in given:
        return None
    if given[role] in raw:
        return given[role]
    matching = [name for name in raw if _plain(name) == given[role].lower()]
    if len(matching) != 1:
        raise unknown_name(f"column of {path}", given[role], raw)
    return matching[0]


def _usual(path: Path, raw: Raw, names: Sequence[str], role: str) -> str | None:
    """The column with the first of the usual names; of several runs, one must be named."""
    for wanted in names:
        matching = [name for name in raw if _plain(name) == wanted]
        if len(matching) > 1:
            given = f"{path} holds several runs ({_listed(matching)})"
            raise InputError(f"{given}: name the column of one, as in --columns '{role}={matching[0]}'.", given=path)
        if matching:
            return matching[0]
    return None


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    shown = [repr(name) for name in list(names)[:12]]
    return ", ".join(shown) + (f" and {len(names) - 12} more" if len(names) > 12 else "") if shown else "no columns of numbers"


def _raw(path: Path, step: str | None) -> tuple[str, Raw]:
    """What sort of log it is, and its columns."""
    if curve_trackers.is_events(path):
        return "TensorBoard", curve_trackers.read_events(path)
    if curve_trackers.is_wandb(path):
        return "W&B", curve_trackers.read_wandb(path)
    if path.is_dir():
        raise InputError(f"--curve {path} is a folder without TensorBoard events or a run of W&B: give the file or folder of one run.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"--curve {path} cannot be read: {reason}; give a CSV or JSON file.", given=path) from error
    if path.suffix.lower() in (".json", ".jsonl"):
        return "JSON", columns_of(path, _json_rows(path, text), step)
    return "CSV", columns_of(path, _csv_rows(path, text), step)


def _csv_rows(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    """Numbered lines, column by column."""
    lines = text.splitlines()
    if not lines:
        raise InputError(f"--curve {path} is empty: give a file with a heading and a row for each step.", given=path)
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.DictReader(lines, delimiter=delimiter)
    return [(reader.line_num, row) for row in reader]


def _json_rows(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    try:
        if path.suffix.lower() == ".jsonl":
            found: Any = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            found = json.loads(text)
    except ValueError as error:
        raise InputError(f"--curve {path} is no JSON: {error}; give a file that is.", given=path) from error
    rows = found.get("log_history") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"--curve {path}: must be a list of rows, or have one under 'log_history', as Trainer's trainer_state.json has.")
    return list(enumerate(rows, 1))


def columns_of(path: Path, rows: Sequence[tuple[int, Mapping[str, Any]]], step: str | None) -> Raw:
    """Rows as columns, each with the steps of the cells that are filled.

    Args:
        path: the file.
        rows: each with its number in the file.
        step: column that counts steps; one of the usual names if None, and the rows themselves if empty or if there is none.

    Raises:
        InputError: a cell is no number, or there is no such column.
    """
    names = list(dict.fromkeys(name for _, row in rows for name in row if name))
    by = next((name for usual in STEPS for name in names if _plain(name) == usual), None) if step is None else step or None
    if by is not None and by not in names:
        raise unknown_name(f"column of {path}", by, names)
    found: dict[str, tuple[list[float], list[float]]] = {}
    unread: dict[str, tuple[int, Any]] = {}
    for count, (line, row) in enumerate(rows):
        at = _number(row.get(by)) if by is not None else float(count)
        if at is None or math.isnan(at):
            raise InputError(f"{path}, line {line}: the step {row.get(by or '')!r} in column {by!r} is no number. Mend or remove the line.")
        for name in names:
            cell = row.get(name)
            if name == by or cell is None or cell == "":
                continue
            value = _number(cell)
            if value is None:
                unread.setdefault(name, (line, cell))
                continue
            steps, values = found.setdefault(name, ([], []))
            steps.append(at)
            values.append(value)
    _refuse_mixed(path, found, unread)
    return found


def _refuse_mixed(path: Path, found: Mapping[str, Any], unread: Mapping[str, tuple[int, Any]]) -> None:
    """Columns of words are left out; one of numbers with a word in it is a mistake."""
    for name, (line, cell) in unread.items():
        if name in found:
            raise InputError(f"{path}, line {line}: {cell!r} in column {name!r} is no number. Write nan where there is none.", given=cell)


def _number(cell: Any) -> float | None:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None
