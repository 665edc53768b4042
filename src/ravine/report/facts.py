"""The facts that every sentence, table and figure stands on, read from a record once."""

from dataclasses import dataclass
from typing import Any

from ravine.records import Lane, RankedEntrant, Record
from ravine.records.lane_findings import LaneFinding, lane_findings


@dataclass(frozen=True, slots=True)
class Facts:
    """A record at one moment.

    Attributes:
        meta: everything the race noted about itself.
        lanes: all lanes.
        ranking: best first; empty while the race runs.
    """

    meta: dict[str, Any]
    lanes: tuple[Lane, ...]
    ranking: tuple[RankedEntrant, ...]

    @property
    def task(self) -> dict[str, Any]:
        """What was trained."""
        return dict(self.meta.get("task") or {})

    @property
    def protocol(self) -> dict[str, Any]:
        """How it was raced."""
        return dict(self.meta.get("protocol") or {})

    @property
    def metric(self) -> str:
        """The metric that ranks."""
        if self.ranking:
            return self.ranking[0].final.metric
        return str(self.task.get("rank_by", "loss"))

    @property
    def higher_is_better(self) -> bool:
        """Its direction."""
        return bool(self.task.get("higher_is_better", False))

    @property
    def split(self) -> str:
        """The split that the ranking was measured on."""
        named = self.protocol.get("split", "test")
        return named if isinstance(named, str) else "test"

    @property
    def shared_lr(self) -> float | None:
        """The one rate of a race that tuned nothing; None in a fair race."""
        rate = self.protocol.get("shared_lr")
        return None if rate is None else float(rate)

    @property
    def target(self) -> float | None:
        """Value of the metric that the steps were counted to."""
        target = self.protocol.get("target")
        value = target.get("used") if isinstance(target, dict) else target
        return None if value is None else float(value)

    @property
    def status(self) -> str:
        """One of "running", "done", "interrupted" and "failed"."""
        return str(self.meta.get("status", "done"))

    @property
    def notes(self) -> list[str]:
        """Sentences that the race left beside the ranking."""
        return [str(note) for note in self.meta.get("notes") or []]

    @property
    def recommendation(self) -> dict[str, Any] | None:
        """The recommended optimiser, rate and schedule; None where there is none to give."""
        given = self.meta.get("recommendation") or {}
        return dict(given) if given.get("optimizer") and self.shared_lr is None else None

    @property
    def diverged(self) -> list[Lane]:
        """Lanes that diverged, in the order of their numbers."""
        return [lane for lane in self.lanes if lane.status == "diverged"]

    @property
    def findings(self) -> list[LaneFinding]:
        """Why lanes diverged, by lane; empty in a record from before this was asked."""
        return lane_findings(self.meta)

    @property
    def culled(self) -> list[Lane]:
        """Lanes that were stopped at a rung, in the order of their numbers."""
        return [lane for lane in self.lanes if lane.status == "culled"]

    def final_lanes(self, entrant: RankedEntrant) -> list[Lane]:
        """The fresh seeds that `entrant` was ranked by."""
        own = (lane for lane in self.lanes if lane.stage == "final" and lane.optimizer == entrant.optimizer)
        return [lane for lane in own if lane.is_set(entrant.lr, entrant.hypers)]


def read_facts(record: Record) -> Facts:
    """Read the facts of `record`."""
    return Facts(record.meta, tuple(record.lanes()), tuple(record.ranking()))
