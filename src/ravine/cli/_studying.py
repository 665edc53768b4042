"""Several studies of one race in one command: a record each, shown as it is done, and all of them together last."""

import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ravine.base._checks import count
from ravine.base.errors import InputError
from ravine.cli import _files, _racing
from ravine.cli._several import Looks

if TYPE_CHECKING:
    from ravine._api import Result


def race_studies(text: str, number: int, out: Path | None, batch_size: int | None, *, looks: Looks, options: Mapping[str, Any]) -> None:
    """Race a task `number` times with race seeds of their own, each table printed as it is done, and what they say together last.

    Args:
        text: what the task is called on the command line.
        number: of studies.
        out: record of the first; the others are numbered.
        batch_size: rows of a step instead of the task's own.
        looks: how the outcome is shown.
        options: of every race; its seed is that of the first study.

    Raises:
        InputError: too few studies, or a record that may not be written; nothing was raced.
        Interrupted: the user ended a race; the studies before it are kept.
    """
    count("--studies", number, at_least=2, do="One study is a plain race: leave --studies out.")
    if options["shared_lr"] is not None:
        raise InputError(
            f"--studies {number} repeats the tuning, and --shared-lr {options['shared_lr']:g} tunes nothing: use --seeds K for more runs."
        )
    with contextlib.redirect_stdout(sys.stderr):
        task = _racing.load_task(text, batch_size)
        files = _places(task.name, number, out, looks, options)
        for index, own in enumerate(files):
            _racing.check_resumable(task, own.record, {**options, "race_seed": options["race_seed"] + index})
    results: list[Result] = []
    for index, own in enumerate(files):
        seed = options["race_seed"] + index
        line = f"study   {index + 1} of {number}, --seed {seed}"
        if not (looks.as_json and looks.quiet):
            typer.echo(line if index == 0 or looks.as_json else f"\n{line}", err=looks.as_json)
        results.append(_one(task, own, looks, {**options, "race_seed": seed}, files[0].record))
    _conclude(results, looks)


def _places(name: str, number: int, out: Path | None, looks: Looks, options: Mapping[str, Any]) -> list[_files.Outputs]:
    """Files of each study; without `out`, under the first name that is free for all of them."""
    from ravine._studies import study_path

    if out is None and options["resume"]:
        raise InputError(f"--resume with --studies {number} needs --out: name the record of the first study, as in --out {name}.ravine.")
    first = out or next(path for path in _files.names(name) if not any(_files.is_taken(study_path(path, k)) for k in range(1, number + 1)))
    if out is not None and not (options["force"] or options["resume"]):
        there = [str(path) for path in (study_path(first, k) for k in range(1, number + 1)) if path.exists()]
        if there:
            raise InputError(f"{there[0]} exists; give --resume to go on with it, --force to replace it, or another --out.", given=there[0])
    chosen = {"figure": looks.figure, "report": looks.report, "force": options["force"] and out is not None, "resume": options["resume"]}
    if out is None and options["force"]:
        raise InputError("--force has no effect without --out, since the file's name is then a free one. Leave it out, or give --out.")
    return [_files.outputs(study_path(first, index), name, **chosen) for index in range(1, number + 1)]


def _one(task: Any, files: _files.Outputs, looks: Looks, options: Mapping[str, Any], first: Path) -> "Result":
    try:
        with contextlib.redirect_stdout(sys.stderr):
            result = _racing.run(task, files.record, quiet=looks.quiet, explain=looks.explain, **options)
    except _racing.Interrupted as error:
        raise _racing.Interrupted(f"{error} Give --out {first} with it, the record of the first study.") from error.__cause__
    resumed = bool(options["resume"])
    if looks.as_json:
        _racing.draw(result, files, resumed=resumed, is_message=True, quiet=looks.quiet, theme=looks.theme)
    else:
        _racing.show(result, files, resumed=resumed, as_json=False, quiet=looks.quiet, theme=looks.theme)
    return result


def _conclude(results: "list[Result]", looks: Looks) -> None:
    from ravine._studies import Studies

    found = Studies(tuple(results))
    if looks.as_json:
        outcome = {"schema": 1, "races": [result.summary() for result in results], "studies": found.summary()}
        typer.echo(json.dumps(outcome, allow_nan=False, indent=2))
    else:
        typer.echo(f"\nall {len(results)} studies\n{found.table().rstrip()}")
