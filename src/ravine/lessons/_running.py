"""Running a lesson, and what came of it."""

import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ravine.base.errors import DataNotFoundError
from ravine.lessons._criterion import Judged, Sample, Verdict, finite, judge, sentence, verdict
from ravine.lessons._lesson import Lesson, settings_of
from ravine.lessons._registry import get
from ravine.lessons._wording import outcome_text
from ravine.report.panels import Picture, picture_figure
from ravine.tasks.data import find


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a lesson's run says of its claim.

    Attributes:
        lesson: what was run.
        form: "quick" or "full".
        judged: every part of the claim with its number.
        also: further numbers, which decide nothing.
        picture: the figure, as data.
        notes: sentences that stand beside the numbers.
        wall_s: seconds that it took.
    """

    lesson: Lesson[Any]
    form: str
    judged: tuple[Judged, ...]
    also: Mapping[str, Sample]
    picture: Picture
    notes: tuple[str, ...]
    wall_s: float

    @property
    def verdict(self) -> Verdict:
        """What the numbers permit, by the criterion that stood before the run."""
        return verdict(self.judged)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return sentence(self.judged)

    @property
    def setup(self) -> str:
        """What was run, in words."""
        return self.lesson.described(quick=self.form == "quick")

    def figure(self, path: str | Path, *, theme: str = "light") -> Path:
        """Draw the lesson's figure to a PNG, SVG or PDF file."""
        picture_figure(self.picture, path, theme=theme)
        return Path(path)

    def text(self) -> str:
        """Claim, set-up, criterion, numbers with intervals and verdict, as plain text."""
        return outcome_text(self)

    def summary(self) -> dict[str, Any]:
        """The same as plain values (schema 1)."""
        lesson = self.lesson
        settings = settings_of(lesson.settings(quick=self.form == "quick"))
        also = {label: _plain(sample) for label, sample in self.also.items()}
        return {
            "schema": 1,
            "lesson": lesson.name,
            **{key: getattr(lesson, key) for key in ("claim", "question", "source", "explanation")},
            "form": self.form,
            "setup": self.setup,
            "settings": {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()},
            "parts": [one.as_json() for one in self.judged],
            "also": also,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "notes": list(self.notes),
            "wall_s": round(self.wall_s, 3),
        }


def run(name: str, *, quick: bool = False) -> Outcome:
    """Run a lesson.

    Args:
        name: of the lesson, see `names`.
        quick: whether in the form of seconds; the full form takes up to some minutes, and settles more.

    Returns:
        the outcome, with `verdict`, `sentence`, `text()`, `figure()` and `summary()`.

    Raises:
        UnknownNameError: no such lesson.
        DataNotFoundError: the full form needs a data set that is not there.

    Example:
        >>> run("loss-shapes", quick=True).verdict
        'supported'
    """
    return carry_out(get(name), quick=quick)


def carry_out(lesson: Lesson[Any], *, quick: bool) -> Outcome:
    """Run a lesson, whether registered or not; see `run`."""
    check_data(lesson, quick=quick)
    began = time.perf_counter()
    measured = lesson.experiment(lesson.settings(quick=quick))
    judged = tuple(judge(lesson.parts, measured.numbers))
    return Outcome(
        lesson=lesson,
        form="quick" if quick else "full",
        judged=judged,
        also=measured.also,
        picture=measured.picture,
        notes=measured.notes,
        wall_s=time.perf_counter() - began,
    )


def check_data(lesson: Lesson[Any], *, quick: bool) -> None:
    """Raise `DataNotFoundError` where the form needs a data set that is not there, before anything is run."""
    if quick or lesson.data is None:
        return
    try:
        find(lesson.data)
    except DataNotFoundError as error:
        raise DataNotFoundError(f"the full form of {lesson.name!r} needs {lesson.data}: {error} Its quick form needs no data.") from error


def run_all(
    names: Sequence[str], *, quick: bool = True, workers: int | None = None, observer: Callable[[str], object] | None = None
) -> list[Outcome]:
    """Run several lessons, a process for each at a time.

    Args:
        names: of lessons.
        quick: which form.
        workers: processes; as many as there are cores if None.
        observer: told the name of each that is done.

    Returns:
        the outcomes in the order of the names.
    """
    for name in names:
        check_data(get(name), quick=quick)
    processes = min(len(names), workers or os.cpu_count() or 1)
    return [_told(outcome, observer) for outcome in _outcomes(names, quick, processes)]


def _outcomes(names: Sequence[str], quick: bool, processes: int) -> Iterator[Outcome]:
    if processes == 1:
        yield from (run(name, quick=quick) for name in names)
        return
    # Spawned: a fork of a process that has used torch's threads may hang.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"), initializer=_one_thread) as pool:
        yield from pool.map(partial(run, quick=quick), names)


def _told(outcome: Outcome, observer: Callable[[str], object] | None) -> Outcome:
    if observer is not None:
        observer(outcome.lesson.name)
    return outcome


def _one_thread() -> None:
    torch.set_num_threads(1)


def _plain(sample: Sample) -> dict[str, Any]:
    interval = sample.interval()
    return {key: finite(getattr(interval, key)) for key in ("estimate", "low", "high")} | {
        "values": [v if math.isfinite(v) else None for v in sample.values]
    }
