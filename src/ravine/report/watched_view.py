"""A training that was watched, as the interactive page is told of it: one lane, how it went, and what was found."""

import numpy as np

from ravine.records import Record
from ravine.records.findings import Diagnosis
from ravine.report.diagnosis import diagnosis_sentence
from ravine.report.facts import Facts, read_facts
from ravine.report.measures import lane_evaluations
from ravine.report.protocol_rows import environment_rows, task_rows
from ravine.report.record_view import entrant_names, entrant_views, lane_columns
from ravine.report.sheets import Sheet
from ravine.report.views import Measure, RecordView, Table
from ravine.report.watched import watched_diagnosis, watched_lines, watched_summary
from ravine.report.wording import PARTIAL

SPLITS = ("validation", "rate", "loss scale", "curvature")
"""What was measured once a look; the other splits have a metric for each parameter."""


def watched_view(record: Record) -> RecordView:
    """The view of a training that was watched."""
    facts, diagnosis = read_facts(record), watched_diagnosis(record)
    names, recorded = entrant_names(facts), record.steps_recorded()
    return {
        "kind": "watch",
        "name": str(facts.task.get("name", "training")),
        "status": facts.status,
        "banner": PARTIAL.get(facts.status, "").replace("race", "training"),
        "verdict": diagnosis_sentence(diagnosis),
        "subtitle": "A training that was watched",
        "metric": "loss",
        "split": "train",
        "higher_is_better": False,
        "target": None,
        "steps": max([*recorded.values(), 1]),
        "summary": watched_summary(record),
        "entrants": entrant_views(facts, names),
        "lanes": lane_columns(facts.lanes, names, recorded),
        "measures": _measures(record, facts),
        "rates": None,
        "ranking": Sheet(caption="Entrants", titles=[], rows=[]).as_json(),
        "explanations": [],
        "notes": watched_lines(record),
        "protocol": [],
        "facts": [("What was trained", task_rows(facts)), ("Machine and versions", environment_rows(facts))],
        "tables": _tables(diagnosis),
        "recipe": "",
        "recipe_note": "",
    }


def _tables(diagnosis: Diagnosis) -> dict[str, Table]:
    findings = [[one.severity, one.title, one.rung, one.where, one.measured, one.threshold, one.remedy] for one in diagnosis]
    sheets = {
        "findings": Sheet(
            caption="Findings, most severe first",
            titles=["severity", "found", "rung", "where", "measured", "threshold", "what to do"],
            rows=findings,
            heads=1,
        ),
        "rungs": Sheet(
            caption="The ladder, lowest rung first",
            titles=["rung", "verdict", "measured"],
            rows=[[rung.rung, rung.verdict, rung.measured] for rung in diagnosis.rungs],
        ),
    }
    return {name: sheet.as_json() for name, sheet in sheets.items() if sheet.rows}


def _measures(record: Record, facts: Facts) -> list[Measure]:
    """What was measured once a look, as bands without width."""
    found = list[Measure]()
    for split in SPLITS:
        metrics = np.unique(record.evaluations(split=split).metric)
        for metric in metrics.tolist():
            lane = lane_evaluations(record, [one.lane for one in facts.lanes], split, metric)
            one = lane["values"]
            found.append(
                {
                    "split": split,
                    "metric": metric,
                    "steps": lane["steps"],
                    "bands": [{"entrant": 0, "median": one, "low": one, "high": one}],
                }
            )
    return found
