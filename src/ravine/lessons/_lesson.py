"""A lesson: a textbook claim, what would support or refute it, and the experiment that decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ravine.lessons._criterion import Part, Sample

if TYPE_CHECKING:
    from ravine.report.panels import Picture

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What an experiment brings home.

    Attributes:
        numbers: by the names that the parts of the claim use.
        also: further numbers worth knowing, by what they are; they decide nothing.
        picture: the lesson's figure.
        notes: sentences that a reader needs beside the numbers, such as what had to be left out.
    """

    numbers: Mapping[str, Sample]
    also: Mapping[str, Sample] = field(default_factory=dict)
    picture: "Picture"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson(Generic[Settings]):
    """A claim as an experiment.

    Attributes:
        name: registry name.
        claim: what is claimed, in one sentence of our own.
        question: what the reader would like to know.
        source: paper and year, or "textbook".
        setup: the set-up in words; a {field} of the settings in braces stands for its value.
        parts: what must hold, fixed before the run.
        experiment: measures at given settings, by ravine's public functions; the same settings give the same numbers.
        quick: settings that take seconds.
        full: settings that settle it.
        full_s: seconds that the full form takes on two quiet cores.
        data: data set of the full form, where it needs one.
        explanation: one paragraph: why it comes out as it does, with the paper. It says nothing that the run decides.
    """

    name: str
    claim: str
    question: str
    source: str
    setup: str
    parts: tuple[Part, ...]
    experiment: Callable[[Settings], Measured]
    quick: Settings
    full: Settings
    full_s: float
    data: str | None = None
    explanation: str

    def settings(self, *, quick: bool) -> Settings:
        """Those of a form."""
        return self.quick if quick else self.full

    def described(self, *, quick: bool) -> str:
        """The set-up in words."""
        return self.setup.format(**{name: _worded(value) for name, value in settings_of(self.settings(quick=quick)).items()})


def settings_of(settings: Any) -> dict[str, Any]:
    """Settings as plain values by name."""
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def _worded(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(_worded, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
