"""A training that was watched, from its record: how it went, every rung and every finding."""

from typing import Any

import numpy as np

from ravine.records import Record
from ravine.records.findings import Diagnosis, Finding, Rung
from ravine.records.rows import finite
from ravine.report.diagnosis import diagnosis_text

KIND = "watch"
"""Of such a record, under `meta`."""


def is_watched(record: Record) -> bool:
    """Whether a record is of a training that was watched, and no race."""
    return record.meta.get("kind") == KIND


def watched_diagnosis(record: Record) -> Diagnosis:
    """What was found; empty while it runs."""
    given: dict[str, Any] = record.meta.get("diagnosis") or {"findings": [], "rungs": []}
    findings = tuple(Finding(**finding) for finding in given["findings"])
    return Diagnosis(dict(record.meta["task"]), findings, tuple(Rung(**rung) for rung in given["rungs"]))


def watched_summary(record: Record) -> dict[str, Any]:
    """The same as JSON values (schema 1): the diagnosis, and how the training went."""
    lane, losses = record.lanes()[0], record.losses(0)
    facts = {"optimizer": lane.optimizer, "status": record.meta["status"], "steps": len(losses), "wall_s": record.meta.get("wall_s")}
    ends = {"first_loss": finite(losses[0]) if len(losses) else None, "last_loss": finite(losses[-1]) if len(losses) else None}
    return watched_diagnosis(record).summary() | {"training": facts | ends | {"diverged_at": lane.diverged_at}}


def watched_text(record: Record) -> str:
    """The same for a terminal."""
    return "\n".join([*watched_lines(record), "", diagnosis_text(watched_diagnosis(record))])


def watched_lines(record: Record) -> list[str]:
    """How the training went, in sentences."""
    lane, losses = record.lanes()[0], record.losses(0)
    rates = record.evaluations(split="rate").value
    status = {"running": ", and is still running", "interrupted": ", and was interrupted"}.get(str(record.meta["status"]), "")
    lines = [f"{record.meta['task']['name']} was trained by {lane.optimizer} for {len(losses):,} steps{status}."]
    if len(losses):
        tenth = max(1, len(losses) // 10)
        lines.append(f"Loss {losses[:tenth].mean():.4g} in the first tenth, {losses[-tenth:].mean():.4g} in the last.")
    if len(rates):
        lines.append(f"Rate {rates[0]:.3g} at first, at most {np.max(rates):.3g}, {rates[-1]:.3g} at the last look.")
    validation = record.evaluations(split="validation")
    for metric in dict.fromkeys(validation.metric.tolist()):
        values = validation.value[validation.metric == metric]
        lines.append(f"Validation {metric}: {values[0]:.4g} at first, {values[-1]:.4g} at the last of {len(values)} evaluations.")
    return lines
