"""Why lanes of a race diverged, as its record keeps it: a finding for each, under `findings` in its facts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ravine.records.findings import Finding

KEY = "findings"
"""Of the record's facts."""


@dataclass(frozen=True, slots=True)
class LaneFinding:
    """The diagnosis of one lane.

    Attributes:
        lane: its number.
        finding: what was found.
        like: the lane that was run again and looked into: itself, or one of the same optimiser that ended in the same way; None
            where the record alone says what is known.
    """

    lane: int
    finding: Finding
    like: int | None = None

    def as_json(self) -> dict[str, Any]:
        """As `ravine show --json` prints it."""
        return {"lane": self.lane, "like": self.like, **asdict(self.finding)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "LaneFinding":
        """The finding that `as_json` turned into `row`."""
        return cls(row["lane"], Finding(**{name: row[name] for name in Finding.__dataclass_fields__}), row["like"])


def lane_findings(meta: Mapping[str, Any]) -> list[LaneFinding]:
    """The diagnoses in a record's facts, by lane; none in a record from before there were any.

    Args:
        meta: `Record.meta`.
    """
    return [LaneFinding.from_json(row) for row in meta.get(KEY) or () if "lane" in row]


def together(findings: Iterable[LaneFinding]) -> list[tuple[LaneFinding, Sequence[int]]]:
    """Lanes with one cause, each with the finding of the one that was looked into, or of the first.

    Args:
        findings: of one record.
    """
    groups: dict[tuple[Any, ...], list[LaneFinding]] = {}
    for found in findings:
        cause = (found.finding.where, found.finding.threshold) if found.like is None else ()
        groups.setdefault((found.like, found.finding.title, *cause), []).append(found)
    return [
        (next((found for found in group if found.lane == found.like), group[0]), [found.lane for found in group])
        for group in groups.values()
    ]
