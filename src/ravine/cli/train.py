"""`ravine train`."""

import contextlib
import itertools
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ravine.base.errors import InputError
from ravine.cli import _train_options, _values
from ravine.cli._racing import Interrupted

if TYPE_CHECKING:
    from ravine.trainer import Trained

SUFFIX = "-trained"
"""Behind the task's name: the folder, where none is named."""


def train(
    task: _train_options.Text,
    *,
    recipe: _train_options.Recipe = None,
    steps: _train_options.Steps = None,
    epochs: _train_options.Epochs = None,
    batch_size: _train_options.BatchSize = None,
    accumulate: _train_options.Accumulate = None,
    optimizer: _train_options.Optimizer = None,
    lr: _train_options.Rate = None,
    hypers: _train_options.Set = None,
    schedule: _train_options.Schedule = None,
    warmup: _train_options.Warmup = None,
    clip: _train_options.Clip = None,
    precision: _train_options.Precision = None,
    weights: _train_options.Weights = None,
    ema: _train_options.Ema = None,
    augment: _train_options.Augment = None,
    recompute: _train_options.Recompute = None,
    compile: _train_options.Compile = False,
    evaluate_every: _train_options.EvaluateEvery = None,
    monitor: _train_options.Monitor = None,
    patience: _train_options.Patience = None,
    seed: _train_options.Seed = None,
    check: _train_options.Check = None,
    out: _train_options.Out = None,
    force: _train_options.Force = False,
    resume: _train_options.Resume = False,
    save_every: _train_options.SaveEvery = 30.0,
    device: _train_options.Device = "auto",
    as_json: _train_options.Json = False,
    quiet: _train_options.Quiet = False,
) -> None:
    """Train a model, by the recipe of a race or with sound defaults.

    Without --recipe: adamw with decay on weights only, a warm-up and a cosine, gradients clipped to a norm of 1.

    SIGTERM saves and exits with status 0, Ctrl-C saves and exits with 130; --resume goes on, with the same bits.
    """
    options = _read(dict(locals()))
    # What the user's own code prints is a message; results alone go to the standard output.
    with contextlib.redirect_stdout(sys.stderr):
        trained = _run(task, recipe, out, quiet=quiet, **options)
    _show(trained, as_json=as_json, quiet=quiet)


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as `ravine.train` takes them, of those that are named alike."""
    if given["force"] and given["out"] is None:
        raise InputError("--force has no effect without --out, since the folder's name is then a free one. Leave it out, or give --out.")
    own = {name: value for name, value in given.items() if name not in ("task", "recipe", "out", "as_json", "quiet", "save_every")}
    read = {"hypers": _hypers(given["hypers"]), "warmup": _length(given["warmup"]), "recompute": _values.names(given["recompute"])}
    return own | read | {"save_s": given["save_every"]}


def _show(trained: "Trained", *, as_json: bool, quiet: bool) -> None:
    if trained.reason == "terminated":
        typer.echo(f"terminated at step {trained.step:,}; {trained.folder} holds it, and the same command with --resume goes on", err=True)
        return
    typer.echo(json.dumps(outcome(trained), allow_nan=False, indent=2) if as_json else table(trained))
    if not (as_json and quiet):
        typer.echo(f"folder  {trained.folder}", err=as_json)


def _run(text: str, recipe: Path | None, out: Path | None, *, quiet: bool, **options: Any) -> "Trained":
    import ravine
    from ravine.cli.train_progress import watching
    from ravine.tasks import load

    task = load(text)
    folder = _folder(task.name, resume=options["resume"]) if out is None else out
    try:
        with watching(quiet=quiet) as observer:
            return ravine.train(task, recipe, out=folder, observer=observer, **options)
    except KeyboardInterrupt as error:
        begun = any(folder.glob("checkpoint-*")) if folder.is_dir() else False
        kept = f"{folder} holds what was done, and the same command with --resume goes on"
        raise Interrupted(f"interrupted; {kept if begun else 'the training had not begun, and nothing was saved'}.") from error


def _folder(name: str, *, resume: bool) -> Path:
    """A free folder here, or the one of this name that was written last."""
    stem = (re.sub(r"[^\w.-]+", "-", name).strip("-.") or "task") + SUFFIX
    names = (Path(stem if number == 1 else f"{stem}-{number}") for number in itertools.count(1))
    taken = list(itertools.takewhile(lambda path: path.exists(), names))
    if resume and taken:
        return max(taken, key=lambda path: path.stat().st_mtime)
    return Path(stem if not taken else f"{stem}-{len(taken) + 1}")


def _hypers(given: Sequence[str] | None) -> dict[str, Any] | None:
    """Hypers from NAME=VALUE."""
    found = dict[str, Any]()
    for part in given or ():
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise InputError(f"--set {part}: must be NAME=VALUE. Write it like --set weight_decay=0.05.", given=part)
        found[name.strip()] = (
            {"true": True, "false": False}.get(value.lower()) if value.lower() in ("true", "false") else _values.number(value)
        )
    return found or None


def _length(given: float | None) -> int | float | None:
    """Steps as a whole number, a share as it is."""
    return int(given) if given is not None and given == int(given) else given


def outcome(trained: "Trained") -> dict[str, Any]:
    """What `--json` prints; a number that is not finite is null."""
    return {
        "schema": 1,
        "steps": trained.step,
        "reason": trained.reason,
        "metrics": {split: _finite(values) for split, values in trained.metrics.items()},
        "best": {"step": trained.best_step, "metric": trained.settings.monitor, "value": trained.best},
        "evaluations": [_finite(values) for values in trained.history.evaluations],
        "settings": trained.settings.described(),
        "folder": str(trained.folder),
    }


def _finite(values: Any) -> dict[str, Any]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def table(trained: "Trained") -> str:
    """Metrics of every split, and which evaluation was the best."""
    names = list(next(iter(trained.metrics.values())))
    rows = [["", *names], *([split, *(f"{values[name]:.4g}" for name in names)] for split, values in trained.metrics.items())]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]) for row in rows
    ]
    of = "the best weights" if trained.settings.patience is not None else "the last weights"
    best = "" if trained.best is None else f"; best {trained.settings.monitor} {trained.best:.4g} at step {trained.best_step:,}"
    ended = "patience ran out" if trained.reason == "patience" else "done"
    return "\n".join([*lines, f"{ended} after {trained.step:,} steps, measured at {of}{best}"])
