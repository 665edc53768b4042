"""What the doctor finds: findings with their evidence, the rungs of the ladder, and the diagnosis that holds both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias, get_args, overload

from ravine.base._checks import unknown_name

Severity: TypeAlias = Literal["error", "warning", "information"]
"""The run cannot be right; it may well be wrong; worth knowing."""

Verdict: TypeAlias = Literal["pass", "warn", "fail", "unknown", "skipped"]
"""Of a rung; skipped where a lower one makes it meaningless."""

RUNGS = (
    *("loading", "initial loss", "input-independent baseline", "overfit one batch", "gradient check", "rate", "gradients"),
    *("update-to-weight", "dead units", "activations", "curve", "precision", "curvature", "batch size"),
)
"""The ladder, lowest rung first: each supposes that those below it hold."""

SCHEMA = 1
"""Of `Diagnosis.summary`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: how bad it is.
        rung: of the ladder.
        title: the finding in a few words.
        measured: the evidence.
        threshold: what was allowed.
        source: where the threshold comes from.
        where: module, parameter, step, sample or line; empty where it concerns the whole.
        remedy: what to do, as code where possible.

    Raises:
        UnknownNameError: no such severity or rung.
    """

    severity: Severity
    rung: str
    title: str
    measured: str
    threshold: str
    source: str
    where: str
    remedy: str

    def __post_init__(self) -> None:
        if self.severity not in get_args(Severity):
            raise unknown_name("severity", self.severity, get_args(Severity))
        if self.rung not in RUNGS:
            raise unknown_name("rung", self.rung, RUNGS)

    def __str__(self) -> str:
        labels = {"where": self.where, "measured": self.measured, "threshold": self.threshold, "source": self.source, "do": self.remedy}
        lines = [f"  {label:10}{text}" for label, text in labels.items() if text]
        return "\n".join([f"{self.severity}: {self.title} ({self.rung})", *lines])

    @property
    def order(self) -> tuple[int, int]:
        """Most severe first; of equal ones the lower rung, which may be the cause of the higher."""
        return get_args(Severity).index(self.severity), RUNGS.index(self.rung)


@dataclass(frozen=True, slots=True)
class Rung:
    """How one rung came out.

    Attributes:
        rung: its name.
        verdict: pass, warn, fail, unknown or skipped.
        measured: what was measured, or why nothing was.
    """

    rung: str
    verdict: Verdict
    measured: str


@dataclass(frozen=True, eq=False)
class Diagnosis(Sequence[Finding]):
    """The findings, most severe first, and every rung of the ladder.

    Attributes:
        task: what was examined, as JSON values.
        findings: in order.
        rungs: from the lowest.
    """

    task: Mapping[str, Any]
    findings: tuple[Finding, ...]
    rungs: tuple[Rung, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", tuple(ordered(self.findings)))

    def __len__(self) -> int:
        return len(self.findings)

    @overload
    def __getitem__(self, index: int) -> Finding: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...

    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        return self.findings[index]

    @property
    def has_errors(self) -> bool:
        """Whether any finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    def rung(self, name: str) -> Rung:
        """The rung called `name`.

        Raises:
            UnknownNameError: the ladder has no such rung.
        """
        found = {rung.rung: rung for rung in self.rungs}
        if name not in found:
            raise unknown_name("rung", name, found)
        return found[name]

    def summary(self) -> dict[str, Any]:
        """What `ravine doctor --json` prints (schema 1)."""
        return {
            "schema": SCHEMA,
            "task": dict(self.task),
            "findings": [asdict(finding) for finding in self.findings],
            "rungs": [asdict(rung) for rung in self.rungs],
        }


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """Findings, most severe first, and from the lowest rung up where they are alike."""
    return sorted(findings, key=lambda finding: finding.order)
