"""Two records side by side: what differs in how they were raced, and what became of the optimisers that both have."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ravine.records import Difference, RankedEntrant, Record, holm, paired_difference, steps_to_target, unpaired_difference
from ravine.records.rows import finite
from ravine.report.facts import Facts, read_facts
from ravine.report.tables import WIDTH, empty_table, final_text, rendered, steps_text
from ravine.report.wording import listed, rate

COMPARISON_SCHEMA = 1
_RESULTS = {"budget_gradients", "gradients_by_optimizer", "target", "engine", "search", "stopping"}
"""Parts of a protocol that say what came of it, or how it was carried out."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two records.

    Attributes:
        record: the record.
        facts: its facts.
    """

    record: Record
    facts: Facts

    def entrants(self) -> dict[str, RankedEntrant]:
        """Ranked entrants by name."""
        return {entrant.optimizer: entrant for entrant in self.facts.ranking}

    @property
    def horizon(self) -> float:
        """Last evaluated step."""
        return float(self.facts.protocol.get("steps") or 0) or math.inf

    def runs(self, entrant: RankedEntrant, goal: float | None, horizon: float) -> "Runs":
        """The fresh seeds of `entrant`, with steps counted to `goal`; what was reached after `horizon` was not reached."""
        lanes = sorted(self.facts.final_lanes(entrant), key=lambda lane: lane.seed)
        steps, values = self.record.curves(lanes, self.facts.split, self.facts.metric)
        sign = -1.0 if self.facts.higher_is_better else 1.0
        curves = sign * values
        lost = np.array([lane.status == "diverged" for lane in lanes]) | ~np.isfinite(curves[:, -1])
        # A lost lane has nothing to show: it stands where it began.
        finals = np.where(lost, curves[:, 0], curves[:, -1])
        curves[lost] = np.inf
        times = [math.inf if goal is None else steps_to_target(steps, curve, sign * goal) for curve in curves]
        times = [time if time <= horizon else math.inf for time in times]
        gaps = np.diff(steps, prepend=0)
        end = min(horizon, float(steps[-1])) + float(gaps[-1])
        known = np.array([gaps[np.searchsorted(steps, time)] if math.isfinite(time) else gaps[-1] for time in times])
        clipped = np.clip(times, 0.5, end)
        return Runs(tuple(lane.seed for lane in lanes), np.log(clipped), known / clipped / math.sqrt(12), sign * finals)


@dataclass(frozen=True, slots=True)
class Runs:
    """One entrant's fresh seeds in one record; all arrays over `seeds`.

    Attributes:
        seeds: ascending.
        log_times: log steps to the shared target, never held to one evaluation after the horizon.
        resolution: standard deviation of each log time's own measurement, since steps are only known to an evaluation.
        finals: final metric in its own direction; the initial value where a lane is lost.
    """

    seeds: tuple[int, ...]
    log_times: np.ndarray
    resolution: np.ndarray
    finals: np.ndarray


def compare_summary(first: Record, second: Record) -> dict[str, Any]:
    """The comparison as plain values; every difference is `second` less `first`.

    Runs are paired by seed where task, data, race seed and batch size are the same, so that a seed means one start and one order of
    batches. Steps are counted to the first record's target in both, and to the end of the shorter race.
    """
    sides = Side(first, read_facts(first)), Side(second, read_facts(second))
    one, other = (side.facts for side in sides)
    same_measure = _measure(one) == _measure(other)
    reason = unpaired_because(one, other)
    names = [name for name in sides[0].entrants() if name in sides[1].entrants()]
    rows = [_row(sides, name, reason is None, same_measure) for name in names]
    _adjust(rows)
    return {
        "schema": COMPARISON_SCHEMA,
        "records": [_about(side) for side in sides],
        "differences": [{"what": what, "first": a, "second": b} for what, a, b in differences(one, other)],
        "paired": reason is None and same_measure,
        "unpaired_because": reason,
        "comparable": same_measure,
        "target": one.target,
        "optimizers": rows,
        "only_in": [[name for name in mine.entrants() if name not in theirs.entrants()] for mine, theirs in (sides, sides[::-1])],
    }


def compare_text(first: Record, second: Record, *, width: int = WIDTH) -> str:
    """The comparison as text."""
    found = compare_summary(first, second)
    lines = [
        f"{letter}  {about['path']}  ({about['task']}, {about['status']})" for letter, about in zip("AB", found["records"], strict=True)
    ]
    table = empty_table(["what differs", "A", "B"], numeric=())
    for item in found["differences"]:
        table.add_row(item["what"], _short(item["first"]), _short(item["second"]))
    parts = ["\n".join(lines), rendered(table, width) if found["differences"] else "\nTask and protocol are the same.\n"]
    if found["optimizers"]:
        parts.append(rendered(_results(found, (read_facts(first), read_facts(second))), width))
    notes = [textwrap.fill(note, width) for note in _notes(found)]
    return "\n".join([*parts, *notes, ""])


def differences(one: Facts, other: Facts) -> list[tuple[str, Any, Any]]:
    """What differs in the tasks and protocols: (dotted name, first, second); None where one has no such entry."""
    flat = [dict(_flatten("task", facts.task)) | dict(_flatten("protocol", _conditions(facts))) for facts in (one, other)]
    prints = [_fingerprint(facts) for facts in (one, other)]
    names = dict.fromkeys([*flat[0], *flat[1]])
    changed: list[tuple[str, Any, Any]] = [(name, flat[0].get(name), flat[1].get(name)) for name in names]
    changed = [(name, a, b) for name, a, b in changed if a != b]
    if None not in prints and prints[0] != prints[1]:
        changed.append(("fingerprint of data, model and loss", str(prints[0])[:12], str(prints[1])[:12]))
    return changed


def unpaired_because(one: Facts, other: Facts) -> str | None:
    """Why a seed of one record is not that of the other; None where it is."""
    prints = [_fingerprint(facts) for facts in (one, other)]
    if None in prints:
        return "a record does not say what data and model it was raced on"
    if prints[0] != prints[1]:
        return "the task is not the same: data, model or loss differ"
    for name, words in (("race_seed", "race seeds"), ("batch_size", "batch sizes")):
        values = [facts.protocol.get(name) for facts in (one, other)]
        if values[0] != values[1]:
            return f"the {words} differ: {values[0]} and {values[1]}"
    seeds = [{lane.seed for lane in facts.lanes if lane.stage == "final"} for facts in (one, other)]
    return None if len(seeds[0] & seeds[1]) > 1 else "they have fewer than two fresh seeds in common"


def _measure(facts: Facts) -> tuple[object, ...]:
    """What a final value is a value of: two losses are the same measure only if they are the same function."""
    return facts.metric, facts.split, facts.higher_is_better, facts.task.get("loss") if facts.metric == "loss" else None


def _fingerprint(facts: Facts) -> Any:
    return (facts.meta.get("plan") or {}).get("fingerprint")


def _conditions(facts: Facts) -> dict[str, Any]:
    return {name: value for name, value in facts.protocol.items() if name not in _RESULTS}


def _flatten(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}", value


def _about(side: Side) -> dict[str, Any]:
    return {"path": str(side.record.path), "task": side.facts.task.get("name"), "status": side.facts.status}


def _row(sides: tuple[Side, Side], name: str, paired: bool, same_measure: bool) -> dict[str, Any]:
    entrants = [side.entrants()[name] for side in sides]
    goal = sides[0].facts.target
    row: dict[str, Any] = {
        "optimizer": name,
        "lr": [entrant.lr for entrant in entrants],
        "final": [entrant.as_json()["final"] for entrant in entrants],
        "steps_to_target": [entrant.as_json()["steps_to_target"] for entrant in entrants],
        "final_difference": None,
        "log_time_difference": None,
    }
    if not same_measure:
        return row
    horizon = min(side.horizon for side in sides)
    runs = [side.runs(entrant, goal, horizon) for side, entrant in zip(sides, entrants, strict=True)]
    row["final_difference"] = _as_json(_difference([one.finals for one in runs], runs, paired))
    if goal is not None:
        row["log_time_difference"] = _as_json(_difference([one.log_times for one in runs], runs, paired, timed=True))
    return row


def _difference(values: Sequence[np.ndarray], runs: Sequence[Runs], paired: bool, *, timed: bool = False) -> Difference:
    """Second less first; by seed on those that both ran, where the runs are paired."""
    if not paired:
        first, second = (float(np.sqrt(np.mean(one.resolution**2))) if timed else 0.0 for one in runs)
        return unpaired_difference(values[0], values[1], resolution=(first, second))
    seeds = [seed for seed in runs[0].seeds if seed in runs[1].seeds]
    rows = [[one.seeds.index(seed) for seed in seeds] for one in runs]
    resolution = np.hypot(*(one.resolution[own] for one, own in zip(runs, rows, strict=True))) if timed else 0.0
    return paired_difference(values[1][rows[1]] - values[0][rows[0]], resolution=resolution)


def _as_json(difference: Difference) -> dict[str, Any]:
    return {name: finite(getattr(difference, name)) for name in difference.__dataclass_fields__}


def _adjust(rows: Sequence[dict[str, Any]]) -> None:
    """Add Holm's adjusted p-values over all differences of the comparison."""
    measured = [row[kind] for row in rows for kind in ("final_difference", "log_time_difference") if row[kind] is not None]
    for difference, p in zip(measured, holm([difference["p"] for difference in measured]), strict=True):
        difference["adjusted_p"] = p


def _results(found: dict[str, Any], facts: Sequence[Facts]) -> Any:
    metrics = f"final {facts[0].split} {facts[0].metric}"
    table = empty_table(["optimiser", "", "lr", metrics, "steps to target", "adjusted p"], numeric=(2,))
    for row in found["optimizers"]:
        for position, letter in enumerate("AB"):
            entrant = next(one for one in facts[position].ranking if one.optimizer == row["optimizer"])
            cells = [rate(entrant.lr), final_text(entrant, facts[position]), steps_text(entrant)]
            table.add_row(row["optimizer"] if letter == "A" else "", letter, *cells, "")
        if row["final_difference"] is not None:
            final, time = row["final_difference"], row["log_time_difference"]
            adjusted = ", ".join(f"{part['adjusted_p']:.2g}" for part in (final, time) if part is not None)
            table.add_row("", "B - A", "", _interval(final), "" if time is None else f"x {_interval(time, scale=math.exp)}", adjusted)
    return table


def _interval(difference: Mapping[str, Any], scale: Any = float) -> str:
    if difference["mean"] is None:
        return "no pairs"
    mean = f"{scale(difference['mean']):.3g}"
    return (
        f"{mean} ({difference['method']})"
        if difference["low"] is None
        else f"{mean} [{scale(difference['low']):.3g}, {scale(difference['high']):.3g}]"
    )


def _notes(found: dict[str, Any]) -> list[str]:
    notes = []
    if not found["optimizers"]:
        notes.append("No optimiser is ranked in both records, so there is nothing to compare.")
    elif not found["comparable"]:
        notes.append("They were ranked by different metrics, losses or splits, so no difference is formed.")
    elif found["paired"]:
        notes.append("Paired by seed: the same start and the same batches in both. B - A: mean difference with its 95 % interval.")
    else:
        notes.append(f"Not paired, because {found['unpaired_because']}. B - A: difference of the means with Welch's 95 % interval.")
    if found["optimizers"] and found["comparable"]:
        goal = (
            "" if found["target"] is None else f" In B - A the steps of both are counted to A's target, {found['target']:.4g}, as a ratio."
        )
        notes.append(f"Adjusted p: Holm over all differences of this table, final value first.{goal}")
    for letter, names in zip("AB", found["only_in"], strict=True):
        if names:
            notes.append(f"Only in {letter}: {listed(names)}.")
    return notes


def _short(value: Any) -> str:
    """A value in a cell: long lists by their ends."""
    if isinstance(value, list) and len(value) > 3:
        return f"{len(value)} values, {_short(value[0])} to {_short(value[-1])}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)
