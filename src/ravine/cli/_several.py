"""Several tasks in one command: all checked before any is raced, each with a record of its own, then all of them together."""

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ravine.base.errors import InputError, PlanError, RavineError
from ravine.cli import _files, _racing

if TYPE_CHECKING:
    from ravine._api import Result
    from ravine.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How the outcome is shown.

    Attributes:
        figure, report: whether one is drawn beside each record.
        dark: whether the figure is dark.
        as_json: whether results are JSON.
        quiet: whether there are no messages but errors.
        explain: whether each stage says why it runs as it does.
    """

    figure: bool
    report: bool
    as_json: bool
    quiet: bool
    explain: bool
    dark: bool = False

    @property
    def theme(self) -> str:
        """Of the figures."""
        return "dark" if self.dark else "light"


def race_all(texts: Sequence[str], out: Path | None, batch_size: int | None, looks: Looks, options: Mapping[str, Any]) -> None:
    """Race every task in turn, each table printed as it is done, and the profile over all of them last.

    Args:
        texts: what each task is called on the command line.
        out: folder of the records; the current one if None.
        batch_size: rows of a step instead of the tasks' own.
        looks: how the outcome is shown.
        options: of every race.

    Raises:
        PlanError: one sentence for each problem of any task; nothing was raced.
        Interrupted: the user ended a race; those before it are kept.
    """
    with contextlib.redirect_stdout(sys.stderr):
        tasks = _checked(texts, batch_size, options)
        files = _places(tasks, out, looks, options)
        _check_resumable(texts, tasks, files, options)
    if out is not None:
        _files.new_folder(out)
    results: list[Result] = []
    for text, task, own in zip(texts, tasks, files, strict=True):
        _say(f"task    {text} ({len(results) + 1} of {len(texts)})", looks)
        results.append(_one(task, own, looks, options, results))
    _conclude(results, looks)


def _checked(texts: Sequence[str], batch_size: int | None, options: Mapping[str, Any]) -> "list[Task]":
    """Every task, loaded and planned as its race will be."""
    twice = [text for text, number in Counter(texts).items() if number > 1]
    problems = [f"{text} is given {texts.count(text)} times: name each task once." for text in twice]
    tasks = []
    for text in dict.fromkeys(texts):
        with _noted(text, problems):
            task = _racing.load_task(text, batch_size)
            _racing.plan_of(task, options)
            tasks.append(task)
    if problems:
        raise PlanError(problems)
    return tasks


def _check_resumable(texts: Sequence[str], tasks: "Sequence[Task]", files: Sequence[_files.Outputs], options: Mapping[str, Any]) -> None:
    """Every record that is gone on with, before any race runs for hours."""
    problems = list[str]()
    for text, task, own in zip(texts, tasks, files, strict=True):
        with _noted(text, problems):
            _racing.check_resumable(task, own.record, options)
    if problems:
        raise PlanError(problems)


@contextlib.contextmanager
def _noted(text: str, problems: list[str]) -> Iterator[None]:
    """Collect what is wrong with a task, said of which."""
    try:
        yield
    except PlanError as error:
        problems += [f"{text}: {problem}" for problem in error.problems]
    except RavineError as error:
        # Many name the task themselves.
        problems.append(str(error) if repr(text) in str(error) else f"{text}: {error}")


def _places(tasks: "Sequence[Task]", out: Path | None, looks: Looks, options: Mapping[str, Any]) -> list[_files.Outputs]:
    """Files of each race: NAME.ravine in the folder; of two tasks of one name the later one is NAME-2 in either case."""
    if out is not None and (out.suffix == _files.RECORD or (out.exists() and not out.is_dir())):
        given = f"--out {out}: of several tasks each has a record of its own, so --out names a folder"
        raise InputError(f"{given}. Give --out {out.with_suffix('')}.", given=out)
    found, problems = list[_files.Outputs](), list[str]()
    for task in tasks:
        with _noted(task.name, problems):
            found.append(_place(task, out, looks, options, [files.record for files in found]))
    if problems:
        raise PlanError(problems)
    return found


def _place(task: "Task", out: Path | None, looks: Looks, options: Mapping[str, Any], before: Sequence[Path]) -> _files.Outputs:
    """Files of one race, others than those of the races before it in the command."""
    chosen = {"figure": looks.figure, "report": looks.report, "force": options["force"], "resume": options["resume"]}
    if out is None and chosen["force"]:
        return _files.outputs(None, task.name, **chosen)  # which refuses it
    begun = _files.record_to_resume(task.name, task.reference) if out is None and chosen["resume"] else None
    places = ((out or Path()) / path for path in _files.names(task.name))
    free = (path for path in places if path not in before and (out is not None or not _files.is_taken(path)))
    record = next(free) if begun is None or begun in before else begun
    if out is not None and record.exists() and not (chosen["force"] or chosen["resume"]):
        raise InputError(f"{record} exists; give --resume to go on with it, --force to replace it, or another --out.", given=record)
    return _files.outputs(record, task.name, **chosen)


def _one(task: "Task", files: _files.Outputs, looks: Looks, options: Mapping[str, Any], before: "Sequence[Result]") -> "Result":
    resumed = bool(options["resume"])
    try:
        with contextlib.redirect_stdout(sys.stderr):
            result = _racing.run(task, files.record, quiet=looks.quiet, explain=looks.explain, **options)
    except _racing.Interrupted as error:
        kept = ", ".join(str(result.path) for result in before)
        raise _racing.Interrupted(f"{error}{f' Finished before: {kept}.' if kept else ''}") from error.__cause__
    if looks.as_json:
        _racing.draw(result, files, resumed=resumed, is_message=True, quiet=looks.quiet, theme=looks.theme)
    else:
        _racing.show(result, files, resumed=resumed, as_json=False, quiet=looks.quiet, theme=looks.theme)
    return result


def _conclude(results: "Sequence[Result]", looks: Looks) -> None:
    from ravine import report

    with contextlib.ExitStack() as stack:
        records = [stack.enter_context(result.record()) for result in results]
        if looks.as_json:
            races = [report.summary(record) for record in records]
            outcome = {"schema": 1, "races": races, "aggregate": report.aggregate_summary(records)}
            typer.echo(json.dumps(outcome, allow_nan=False, indent=2))
        else:
            typer.echo(f"\nall {len(records)} tasks\n{report.aggregate_text(records).rstrip()}")


def _say(text: str, looks: Looks) -> None:
    """A line above a race: part of the results where these are text."""
    if not looks.as_json:
        typer.echo(f"\n{text}")
    elif not looks.quiet:
        typer.echo(text, err=True)
