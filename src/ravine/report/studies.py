"""Several studies of one race, tuning repeated and all: how often each entrant was recommended, and how far a study's luck reaches."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ravine.base.errors import InputError
from ravine.records import Record
from ravine.records.profile import probability_of_improvement
from ravine.records.rows import finite
from ravine.records.variance import variance_components
from ravine.report.comparing import Runs, Side
from ravine.report.facts import read_facts
from ravine.report.tables import WIDTH, empty_table, rendered
from ravine.report.wording import listed, rate

STUDIES_SCHEMA = 1
_DRAWN = {"race_seed", "first_loss"}
"""Parts of a plan in which studies of one race differ."""


def studies_summary(records: Sequence[Record]) -> dict[str, Any]:
    """What several studies say together, as plain values; entrants by how often they were recommended.

    Steps are counted to each study's own target. Between and within are standard deviations, of log steps and of the final metric.

    Raises:
        InputError: fewer than two are finished, they are not of one race, or two have the same race seed.
    """
    sides = [Side(record, read_facts(record)) for record in records]
    _check(sides)
    done = [side for side in sides if side.facts.ranking]
    runs = [_runs(side) for side in done]
    entrants = [_entrant(name, done, runs) for name in runs[0]]
    entrants.sort(key=lambda row: (-row["recommended"], -row["recommended_or_tied"], np.mean(row["ranks"]), row["optimizer"]))
    return {
        "schema": STUDIES_SCHEMA,
        "metric": done[0].facts.metric,
        "split": done[0].facts.split,
        "studies": [_study(side) for side in done],
        "unfinished": [str(side.record.path) for side in sides if not side.facts.ranking],
        "entrants": entrants,
        "sentence": _sentence(entrants, len(done)),
    }


def studies_text(records: Sequence[Record], *, width: int = WIDTH) -> str:
    """The studies as a table, with what its columns mean and what follows."""
    found = studies_summary(records)
    number, first = len(found["studies"]), found["entrants"][0]["optimizer"]
    titles = ["optimiser", "recommended", "or tied", "ranks", "lr (decades)", "steps, sd", "final, sd", f"faster than {first}"]
    table = empty_table(titles, numeric=(1, 2))
    for row in found["entrants"]:
        low, high = min(row["lrs"]), max(row["lrs"])
        table.add_row(
            row["optimizer"],
            f"{row['recommended']} of {number}",
            f"{row['recommended_or_tied']} of {number}",
            " ".join(map(str, row["ranks"])),
            rate(low) if low == high else f"{rate(low)} to {rate(high)} ({row['lr_spread_decades']:.1f})",
            _spread(row["log_time"], percent=True),
            _spread(row["final"], percent=False),
            "" if row["optimizer"] == first else _chance(row["faster_than"][first]),
        )
    seeds = ", ".join(str(study["race_seed"]) for study in found["studies"])
    below = [
        f"{number} studies, race seeds {seeds}: each tuned anew and ranked on fresh seeds of its own. Recommended, or tied: in how many "
        "studies an entrant was, or could not be told apart from the one that was. Lr: the lowest and the highest tuned rate.",
        f"Sd: standard deviation between studies + between the seeds of one, of the steps to the target (each study's own) and of the "
        f"final {found['split']} {found['metric']}. Few studies say little of the spread between them.",
        f"Faster than {first}: chance that a run reaches the target sooner than one of {first} in the same study, [95 % interval].",
    ]
    if found["unfinished"]:
        below.append(f"Left out, because not finished: {listed(found['unfinished'])}.")
    return "\n".join([rendered(table, width), *(textwrap.fill(line, width) for line in [*below, "", found["sentence"], ""])])


def _check(sides: Sequence[Side]) -> None:
    done = [side for side in sides if side.facts.ranking]
    if len(done) < 2:
        raise InputError(f"{len(done)} of {len(sides)} records are finished: studies are compared from two on; let more races finish.")
    plans = [side.facts.meta.get("plan") or {} for side in done]
    for side, plan in zip(done, plans, strict=True):
        for name in [name for name in {**plans[0], **plan} if name not in _DRAWN]:
            if plan.get(name) != plans[0].get(name):
                what = "other data or another model" if name == "fingerprint" else f"{name}={plan.get(name)!r}, not {plans[0].get(name)!r}"
                raise InputError(f"{side.record.path} is no study of the race in {done[0].record.path}: it has {what}. Use --compare.")
    first: dict[Any, Side] = {}
    for side, plan in zip(done, plans, strict=True):
        twin = first.setdefault(plan.get("race_seed"), side)
        if twin is not side:
            both = f"{twin.record.path} and {side.record.path}"
            raise InputError(f"{both} have the same race seed, {plan.get('race_seed')}, so they are one study twice: leave one out.")


def _runs(side: Side) -> dict[str, Runs]:
    return {name: side.runs(entrant, side.facts.target, math.inf) for name, entrant in side.entrants().items()}


def _study(side: Side) -> dict[str, Any]:
    given = side.facts.recommendation or {}
    return {
        "path": str(side.record.path),
        "race_seed": side.facts.protocol.get("race_seed"),
        "optimizer": given.get("optimizer"),
        "lr": given.get("lr"),
        "tied_with": list(given.get("tied_with", ())),
        "target": finite(side.facts.target),
    }


def _entrant(name: str, sides: Sequence[Side], runs: Sequence[Mapping[str, Runs]]) -> dict[str, Any]:
    entrants = [side.entrants()[name] for side in sides]
    studies = [_study(side) for side in sides]
    lrs = [entrant.lr for entrant in entrants]
    # An entrant's finals are turned so that lower is better, as its times are.
    sign = -1.0 if sides[0].facts.higher_is_better else 1.0
    return {
        "optimizer": name,
        "recommended": sum(study["optimizer"] == name for study in studies),
        "recommended_or_tied": sum(name in (study["optimizer"], *study["tied_with"]) for study in studies),
        "ranks": [entrant.rank for entrant in entrants],
        "lrs": lrs,
        "lr_spread_decades": math.log10(max(lrs) / min(lrs)),
        "log_time": _components([own[name].log_times for own in runs]),
        "final": _components([own[name].finals for own in runs]),
        "faster_than": _chances(name, [{other: one.log_times for other, one in own.items()} for own in runs]),
        "better_than": _chances(name, [{other: sign * one.finals for other, one in own.items()} for own in runs]),
    }


def _components(groups: Sequence[np.ndarray]) -> dict[str, Any]:
    return {key: finite(value) for key, value in asdict(variance_components(groups)).items()}


def _chances(name: str, studies: Sequence[Mapping[str, np.ndarray]]) -> dict[str, dict[str, Any]]:
    """The chance that a run has a lower value than one of each other entrant in the same study."""
    found = {}
    for other in studies[0]:
        if other != name:
            interval = probability_of_improvement([own[name] for own in studies], [own[other] for own in studies])
            found[other] = {key: finite(value) for key, value in asdict(interval).items()}
    return found


def _sentence(entrants: Sequence[Mapping[str, Any]], number: int) -> str:
    best = entrants[0]
    if not best["recommended"]:
        return f"None of the {number} studies recommends anything."
    others = [f"{row['optimizer']} in {row['recommended']}" for row in entrants[1:] if row["recommended"]]
    head = f"{best['optimizer']} was recommended in {best['recommended']} of {number} studies"
    also = f"; {listed(others)}" if others else ""
    if best["recommended_or_tied"] == number:
        if not others:
            return f"{head}: they agree."
        return f"{head}{also}, where {best['optimizer']} could not be told apart from it: the advice stands in all of them."
    return f"{head}{also}: the advice depends on the draw of the study, so race longer, or with more seeds or rates."


def _spread(part: Mapping[str, Any], *, percent: bool) -> str:
    def said(value: float | None) -> str:
        if value is None:
            return "-"
        return f"{100 * math.expm1(value):.0f}" if percent else f"{value:.2g}"

    return f"{said(part['between'])} + {said(part['within'])}{'%' if percent else ''}"


def _chance(interval: Mapping[str, Any]) -> str:
    estimate = f"{interval['estimate']:.2f}"
    return estimate if interval["low"] is None else f"{estimate} [{interval['low']:.2f}, {interval['high']:.2f}]"
