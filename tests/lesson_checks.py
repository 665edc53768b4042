"""What every lesson is held to, and races that are not run."""

import json

import numpy as np

from ravine.lessons import get, run
from ravine.lessons._criterion import VERDICTS
from ravine.lessons._readings import Reading
from ravine.report.panels import picture_figure


def check(outcome):
    """An outcome can be told, drawn and written; its numbers are numbers."""
    assert outcome.verdict in VERDICTS
    assert outcome.sentence.lower().startswith(outcome.verdict.split()[0])
    assert outcome.lesson.claim in " ".join(outcome.text().split())
    assert "{" not in outcome.setup
    json.dumps(outcome.summary(), allow_nan=False)
    assert all(np.isfinite(one.interval.estimate) for one in outcome.judged), outcome.text()
    picture_figure(outcome.picture)
    return outcome


def quick(name):
    """The quick form of a lesson, run and checked."""
    return check(run(name, quick=True))


def holding(parts, numbers):
    """What becomes of parts by number: True, False or None."""
    from ravine.lessons._criterion import judge

    return {one.part.number: one.holds for one in judge(parts, numbers)}


def measured(name, settings):
    """What a lesson's experiment gives at other settings."""
    return get(name).experiment(settings)


def reading(name, finals, *, lr=0.1, start=2.0, diverged=0):
    """An entrant's reading with given final values, one a seed."""
    finals = np.asarray(finals, dtype=np.float64)
    return Reading(name, lr, finals, np.array([0, 1, 2]), np.column_stack([np.full(len(finals), start), finals, finals]), diverged)


def fake_race(finals, *, spread=0.02):
    """In place of `_readings.race`: `finals(task, options, name)` is an entrant's final value, to which every race adds a little chance."""
    stream = np.random.default_rng(0)

    def race(task, metric="loss", **options):
        lr, seeds = options.get("shared_lr") or 0.1, options["seeds"]
        return {
            name: reading(name, finals(task, options, name) * np.exp(stream.normal(0, spread, seeds)), lr=lr)
            for name in options["optimizers"]
        }

    return race
