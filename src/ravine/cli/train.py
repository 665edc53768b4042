"""`ravine train`."""

import contextlib
import itertools
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ravine.base.errors import InputError, RavineError
from ravine.cli import _train_options, _values
from ravine.cli._racing import Interrupted

if TYPE_CHECKING:
    from ravine.tasks import Task
    from ravine.trainer import Trained
    from ravine.trainer.distributed import Processes

SUFFIX = "-trained"
"""Behind the task's name: the folder, where none is named."""
_NAMED = ("driver", "state_dtype", "decoupled")
"""What is set to a name: by which code the optimiser steps, how it keeps its state, what multiplies adamw's decay."""


def train(
    task: _train_options.Text,
    *,
    text: _train_options.TextFile = None,
    recipe: _train_options.Recipe = None,
    steps: _train_options.Steps = None,
    epochs: _train_options.Epochs = None,
    batch_size: _train_options.BatchSize = None,
    accumulate: _train_options.Accumulate = None,
    optimizer: _train_options.Optimizer = None,
    lr: _train_options.Rate = None,
    hypers: _train_options.Set = None,
    schedule: _train_options.Schedule = None,
    snapshots: _train_options.Snapshots = None,
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
    log: _train_options.Log = None,
    strategy: _train_options.Strategy = None,
    device: _train_options.Device = "auto",
    as_json: _train_options.Json = False,
    quiet: _train_options.Quiet = False,
) -> None:
    """Train a model, by the recipe of a race or with sound defaults.

    Without --recipe: adamw with decay on weights only, a warm-up and a cosine, gradients clipped to a norm of 1.

    SIGTERM saves and exits with status 0, Ctrl-C saves and exits with 130; --resume goes on, with the same bits.

    Several processes train one model: torchrun --nproc-per-node 2 -m ravine train TASK. The first one prints and writes.
    """
    _train(dict(locals()))


def _train(given: Mapping[str, Any]) -> None:
    """Train with everything that the command was given, by name, and print what came of it."""
    options, quiet = _read(given), given["quiet"]
    from ravine.trainer.distributed import joined

    with _one_voice(), joined(given["strategy"], given["device"]) as processes:
        # What the user's own code prints is a message; results alone go to the standard output.
        with contextlib.redirect_stdout(sys.stderr):
            task = lambda: _task(given["task"], given["text"])  # noqa: E731 - read once every process is there
            trained = _run(task, given["recipe"], given["out"], processes=processes, quiet=quiet, **options)
        if processes.is_first:
            _show(trained, as_json=given["as_json"], quiet=quiet)


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as `ravine.train` takes them, of those that are named alike."""
    if given["force"] and given["out"] is None:
        raise InputError("--force has no effect without --out, since the folder's name is then a free one. Leave it out, or give --out.")
    own = {name: value for name, value in given.items() if name not in ("task", "text", "recipe", "out", "as_json", "quiet", "save_every")}
    read: dict[str, Any] = {
        "hypers": _hypers(given["hypers"]),
        "schedule": _schedule(given["schedule"]),
        "warmup": _length(given["warmup"]),
        "recompute": _values.names(given["recompute"]),
    }
    return own | read | {"save_s": given["save_every"]}


def _show(trained: "Trained", *, as_json: bool, quiet: bool) -> None:
    if trained.reason == "terminated":
        typer.echo(f"terminated at step {trained.step:,}; {trained.folder} holds it, and the same command with --resume goes on", err=True)
        return
    typer.echo(json.dumps(outcome(trained), allow_nan=False, indent=2) if as_json else table(trained))
    if not (as_json and quiet):
        typer.echo(f"folder  {trained.folder}", err=as_json)


def _task(name: str, text: Path | None) -> "Task":
    """The task, of a text of the user's where one is given."""
    from ravine.tasks import REGISTRY, create, load
    from ravine.tasks.registry import parse_options

    if text is None:
        return load(name)
    builtin, colon, options = name.partition(":")
    if builtin not in REGISTRY or "text" not in (option.name for option in REGISTRY[builtin].options):
        raise InputError(f"--text {text} with {name}: it is for chars only. Leave it out, or train chars.", given=text)
    given = parse_options(builtin, options) if colon else {}
    if "text" in given:
        raise InputError(f"--text {text} with {name}: the text is given twice. Leave one out.", given=text)
    return create(builtin, {**given, "text": str(text)})


@contextlib.contextmanager
def _one_voice() -> Iterator[None]:
    """A block whose errors only one of several processes tells; the others end with its status."""
    from ravine.trainer.distributed import is_told_elsewhere

    try:
        yield
    except RavineError as error:
        if is_told_elsewhere(error):
            raise typer.Exit(2) from error
        raise
    except Interrupted as error:
        if is_told_elsewhere(error):
            raise typer.Exit(130) from error
        raise


def _run(
    load: Callable[[], "Task"], recipe: Path | None, out: Path | None, *, processes: "Processes", quiet: bool, **options: Any
) -> "Trained":
    import ravine
    from ravine.cli.train_progress import watching
    from ravine.trainer.distributed import TOLD

    with processes.together():
        task = load()
    # Asked of the first process alone: what it makes there would be taken to be another training's by the others.
    folder = processes.on_first(lambda: _folder(task, resume=options["resume"])) if out is None else out
    if recipe is not None and processes.is_first and not quiet:
        _tell_of_another_task(task, recipe)
    try:
        with watching(quiet=quiet or not processes.is_first) as observer:
            return ravine.train(task, recipe, out=folder, observer=observer, **options)
    except KeyboardInterrupt as error:
        begun = any(folder.glob("checkpoint-*")) if folder.is_dir() else False
        kept = f"{folder} holds what was done, and the same command with --resume goes on"
        told = Interrupted(f"interrupted; {kept if begun else 'the training had not begun, and nothing was saved'}.")
        if not processes.is_first:
            told.add_note(TOLD)
        raise told from error


def _tell_of_another_task(task: "Task", recipe: Path) -> None:
    """A recipe may be tried on any task, but its rate was tuned on one."""
    from ravine.records import open_record

    # A record that cannot be read is told of by whoever needs it.
    with contextlib.suppress(RavineError), open_record(recipe) as record:
        raced = record.meta.get("task") or {}
        tuned, own = (raced.get("reference"), task.reference) if raced.get("reference") and task.reference else (raced["name"], task.name)
        if tuned != own:
            typer.echo(f"recipe  {recipe} was tuned on {tuned}: its rate may be far off for {own}", err=True)


def _folder(task: "Task", *, resume: bool) -> Path:
    """A free folder here, or the one where this task was saved last."""
    from ravine.trainer.checkpoint import last_header
    from ravine.trainer.portions import data_digest

    stem = (re.sub(r"[^\w.-]+", "-", task.name).strip("-.") or "task") + SUFFIX
    names = (stem if number == 1 else f"{stem}-{number}" for number in itertools.count(1))
    free = next(Path(name) for name in names if not Path(name).exists())
    if not resume:
        return free
    own = re.compile(re.escape(stem) + r"(?:-([1-9]\d*))?")
    # By number: of a folder and its copy, which say the same time, the first one is the training's own.
    there = sorted((int(found[1] or 1), path) for path in Path().iterdir() if (found := own.fullmatch(path.name)))
    headers = {path: header for _, path in there if (header := last_header(path)).get("task") == task.name}
    data = data_digest(task) if len(headers) > 1 else None
    return max(headers, key=lambda path: (headers[path].get("data") == data, headers[path].get("saved_s", 0.0)), default=free)


def _hypers(given: Sequence[str] | None) -> dict[str, Any] | None:
    """Hypers from NAME=VALUE."""
    found = dict[str, Any]()
    for part in given or ():
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise InputError(f"--set {part}: must be NAME=VALUE. Write it like --set weight_decay=0.05.", given=part)
        found[name.strip()] = _value(name.strip(), value.strip())
    return found or None


def _value(name: str, text: str) -> Any:
    """The value of a hyper: a switch, a name where names stand, else a number."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if name in _NAMED:
        return text
    try:
        return _values.number(text)
    except typer.BadParameter as error:
        raise InputError(f"--set {name}={text}: must be a number, true or false. Write it like --set weight_decay=0.05.") from error


def _schedule(given: Sequence[str] | None) -> str | dict[str, str] | None:
    """Schedules by key from KEY=NAME:SETTING=VALUE; without a key it is the rate's."""
    found = dict[str, str]()
    for text in given or ():
        head = text.partition(":")[0]
        key, equals, _ = head.partition("=")
        key, name = (key.strip(), text.partition("=")[2].strip()) if equals else ("lr", text.strip())
        if not key or not name:
            raise InputError(f"--schedule {text}: must be NAME or KEY=NAME. Write it like cosine or weight_decay=linear.", given=text)
        if key in found:
            raise InputError(f"--schedule {text}: {key} has one already. Give one for each key.", given=text)
        found[key] = name
    return found.get("lr") if set(found) <= {"lr"} else found


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
        **_ensemble(trained),
        "best": {"step": trained.best_step, "metric": trained.settings.monitor, "value": trained.best},
        "evaluations": [_finite(values) for values in trained.history.evaluations],
        "settings": trained.settings.described(),
        "folder": str(trained.folder),
    }


def _ensemble(trained: "Trained") -> dict[str, Any]:
    """What the snapshots reach, where there are any."""
    found = trained.ensemble
    if found is None:
        return {}
    metrics = {split: _finite(values) for split, values in found.metrics.items()}
    return {"ensemble": {"snapshots": list(found.steps), "prediction": found.prediction, "metrics": metrics}}


def _finite(values: Any) -> dict[str, Any]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def table(trained: "Trained") -> str:
    """Metrics of every split, and which evaluation was the best."""
    names = list(next(iter(trained.metrics.values())))
    together = {} if trained.ensemble is None else trained.ensemble.metrics
    measured = {
        **trained.metrics,
        **{f"{split}, {len(trained.settings.snapshots)} snapshots": values for split, values in together.items()},
    }
    rows = [["", *names], *([split, *(f"{values[name]:.4g}" for name in names)] for split, values in measured.items())]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]) for row in rows
    ]
    of = "the best weights" if trained.settings.patience is not None else "the last weights"
    best = "" if trained.best is None else f"; best {trained.settings.monitor} {trained.best:.4g} at step {trained.best_step:,}"
    ended = "patience ran out" if trained.reason == "patience" else "done"
    if trained.ensemble is not None:
        steps = ", ".join(f"{step:,}" for step in trained.ensemble.steps)
        lines.append(f"snapshots at steps {steps}: their prediction is the {trained.ensemble.prediction}")
    return "\n".join([*lines, f"{ended} after {trained.step:,} steps, measured at {of}{best}"])
