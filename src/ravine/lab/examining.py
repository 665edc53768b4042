"""The doctor's part of the lab, as it runs in processes beside the server: a task examined, a curve read."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ravine._diagnose import diagnose, diagnose_curve
from ravine.base.errors import InputError
from ravine.lab.page_tasks import load_for_page

Tell = Callable[[str], object]

ENDINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl")


def examine(tell: Tell, *, task: str, own: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Examine a task.

    Args:
        tell: told each rung before it is climbed.
        task: as a page names it.
        own: tasks that were named when the lab was started.
        options: of `ravine.diagnose`.

    Returns:
        what `ravine doctor --json` prints.
    """
    return diagnose(load_for_page(task, own), **options, observer=tell).summary()


def read_curve(name: str, text: str, columns: Mapping[str, str]) -> dict[str, Any]:
    """Read the curve of a run.

    Args:
        name: of its file.
        text: of its file.
        columns: role -> name of its column, where it is not one of the usual names.

    Returns:
        `numbers` as `ravine doctor --curve --json` prints them, `series` and `marks` to draw.
    """
    # The name alone: what stands before it could lead anywhere.
    plain = Path(name.replace("\\", "/")).name or "curve.csv"
    if not plain.lower().endswith(ENDINGS):
        raise InputError(f"{plain!r}: must end in one of {', '.join(ENDINGS)}. Give a CSV or JSON file.", given=name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / plain
        path.write_text(text, encoding="utf-8")
        try:
            found = diagnose_curve(path, columns)
        except InputError as error:
            raise InputError(str(error).replace(f"--curve {path}", plain).replace(str(path), plain), given=name) from None
    curve = found.curve
    series = {"loss": curve.losses, **{("val_loss" if role == "loss" else role): one for role, one in curve.evaluations.items()}}
    return {
        "numbers": found.diagnosis.summary(),
        "series": {role: {"name": one.name, "steps": one.steps.tolist(), "values": one.values.tolist()} for role, one in series.items()},
        "marks": [{"step": one.step, "label": one.label, "value": one.value, "until": one.until} for one in found.marks],
    }
