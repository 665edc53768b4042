"""`ravine show --json`: the record's outcome as strict JSON, schema 1."""

from typing import Any

from ravine.records import Record
from ravine.records.rows import finite
from ravine.report.facts import Facts, read_facts
from ravine.report.wording import sentence

SUMMARY_SCHEMA = 1


def summary(record: Record) -> dict[str, Any]:
    """The outcome as plain values; numbers that are not finite are None, so `json.dumps(..., allow_nan=False)` takes it.

    While a race runs the ranking is empty; the recommendation always has its keys, None where there is none.
    """
    facts = read_facts(record)
    return {
        "schema": SUMMARY_SCHEMA,
        "task": facts.task,
        "protocol": facts.protocol,
        "ranking": [entrant.as_json() for entrant in facts.ranking],
        "recommendation": _recommendation(facts),
        "lanes": len(facts.lanes),
        "diverged": len(facts.diverged),
        "culled": len(facts.culled),
        "findings": [found.as_json() for found in facts.findings],
        "wall_s": finite(facts.meta.get("wall_s")),
    }


def _recommendation(facts: Facts) -> dict[str, Any]:
    given = facts.recommendation or {}
    ties = {entrant.optimizer: list(entrant.tied_with) for entrant in facts.ranking}
    return {
        "optimizer": given.get("optimizer"),
        "lr": given.get("lr"),
        "schedule": given.get("schedule"),
        "hypers": given.get("hypers", {}),
        "tied_with": given.get("tied_with", ties.get(given.get("optimizer", ""), [])),
        "sentence": sentence(facts),
    }
