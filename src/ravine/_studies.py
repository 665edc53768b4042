"""A race repeated as a whole, tuning included: the function behind `ravine.studies` and its result."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravine._api import Result, race
from ravine.base._checks import count
from ravine.records import Record
from ravine.tasks import Task

__all__ = ["Studies", "studies", "study_path"]


@dataclass(frozen=True, slots=True)
class Studies:
    """Several races that differ in their race seed alone.

    Attributes:
        results: one a study, each with a record of its own.
    """

    results: tuple[Result, ...]

    def summary(self) -> dict[str, Any]:
        """What they say together, as `ravine show --studies --json` prints it."""
        from ravine.report import studies_summary

        with self._records() as records:
            return studies_summary(records)

    def table(self) -> str:
        """The same as text."""
        from ravine.report import studies_text

        with self._records() as records:
            return studies_text(records)

    @contextlib.contextmanager
    def _records(self) -> Iterator[list[Record]]:
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(result.record()) for result in self.results]


def studies(task: Task | str, number: int, *, race_seed: int = 0, out: str | Path | None = None, **options: Any) -> Studies:
    """Race `number` times, each study with a race seed of its own: other weights, batches, splits and draws while tuning as well.

    Fresh seeds tell how far a recipe's runs scatter; studies tell how far the choice of the recipe does.

    Args:
        task: see `ravine.race`.
        number: of studies, 2 or more.
        race_seed: of the first; each of the next has the next number.
        out: the first record, such as "d.ravine"; the others are "d-2.ravine" and so on. Temporary files if None.
        options: of every race, those of `ravine.race`. With `resume=True` what is finished is kept, and the first study that is
            not goes on.

    Example:
        >>> found = studies("line", 2, optimizers=["sgd", "adam"], steps=20, seeds=2)
        >>> [entrant["recommended_or_tied"] >= entrant["recommended"] for entrant in found.summary()["entrants"]]
        [True, True]
    """
    count("studies", number, at_least=2, do="One study is a race: ravine.race.")
    first = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="ravine-")) / "race.ravine"
    return Studies(tuple(race(task, race_seed=race_seed + index, out=study_path(first, index + 1), **options) for index in range(number)))


def study_path(first: Path, number: int) -> Path:
    """The record of a study, from that of the first: d.ravine, d-2.ravine and so on."""
    return first if number == 1 else first.with_name(f"{first.stem}-{number}{first.suffix}")
