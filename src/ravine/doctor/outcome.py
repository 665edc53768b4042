"""How one rung of the ladder came out, and how its verdict follows from what was found."""

from collections.abc import Iterable
from dataclasses import dataclass

from ravine.records.findings import Finding, Rung, Verdict

_VERDICTS: dict[str, Verdict] = {"error": "fail", "warning": "warn", "information": "pass"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rung.

    Attributes:
        rung: its verdict and what was measured.
        findings: any number.
        stops: why the rungs that suppose this one mean nothing now; empty if they do.
    """

    rung: Rung
    findings: tuple[Finding, ...] = ()
    stops: str = ""


def judged(name: str, measured: str, findings: Iterable[Finding] = (), *, stops: str = "") -> Outcome:
    """The outcome of a rung that could be judged: as bad as its worst finding."""
    found = tuple(findings)
    worst = min(found, key=lambda finding: finding.order, default=None)
    return Outcome(Rung(name, "pass" if worst is None else _VERDICTS[worst.severity], measured), found, stops)


def unknown(name: str, why: str, findings: Iterable[Finding] = ()) -> Outcome:
    """The outcome of a rung that cannot be judged, and why."""
    return Outcome(Rung(name, "unknown", why), tuple(findings))


def skipped(name: str, why: str) -> Outcome:
    """The outcome of a rung that was not climbed, and why."""
    return Outcome(Rung(name, "skipped", why))
