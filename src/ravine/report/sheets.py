"""The tables of a race as plain cells: what the static page writes as HTML and the interactive one draws are the same words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ravine.records import Lane
from ravine.report.facts import Facts
from ravine.report.lane_diagnoses import TITLES, diagnosis_rows
from ravine.report.protocol_rows import engine_rows, hypers_text, plain, search_rows
from ravine.report.rate_points import RateValues
from ravine.report.seed_figure import Reached
from ravine.report.tables import header, row, status
from ravine.report.views import Table
from ravine.report.wording import rate

ENDS = {"culled": "ended at", "running": "still at", "waiting": "still at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table.

    Attributes:
        caption: what it shows.
        titles: of the columns.
        rows: cells; a cell may have several lines.
        heads: the column that names the row.
        numeric: columns whose cells stand right.
    """

    caption: str
    titles: Sequence[str]
    rows: Sequence[Sequence[object]]
    heads: int = 0
    numeric: Sequence[int] = ()

    def as_json(self) -> Table:
        """The table as plain values; every cell is text."""
        rows = [[str(cell) for cell in cells] for cells in self.rows]
        return {"caption": self.caption, "titles": list(self.titles), "rows": rows, "heads": self.heads, "numeric": list(self.numeric)}


def ranking_sheet(facts: Facts) -> Sheet:
    """The ranking."""
    rows = [row(entrant, facts) for entrant in facts.ranking]
    return Sheet(caption="Entrants, best first", titles=header(facts), rows=rows, heads=1, numeric=(0, 3, 4, 7))


def settings_sheet(facts: Facts) -> Sheet:
    """What every entrant ran with, and what it costs."""
    rows = []
    for entrant in facts.ranking:
        lane = next(iter(facts.final_lanes(entrant)), None)
        schedule, hypers = ("", "") if lane is None else (lane.schedule, hypers_text(lane.hypers))
        breaks = "" if entrant.diverges_at_lr is None else rate(entrant.diverges_at_lr)
        cost = [plain(entrant.gradients_per_step), "" if entrant.seconds_per_step is None else _time(entrant.seconds_per_step)]
        rows.append([entrant.optimizer, rate(entrant.lr), schedule, hypers or "none", breaks, *cost])
    titles = ["optimiser", "lr", "schedule", "other hypers that are on", "diverges at lr", "gradients a step", "time a step"]
    return Sheet(caption="What they ran with", titles=titles, rows=rows, numeric=(1, 4, 5, 6))


def _time(seconds: float) -> str:
    """In the unit that takes fewest digits."""
    scale, unit = next(((scale, unit) for scale, unit in ((1e6, "us"), (1e3, "ms")) if seconds * scale < 999.5), (1.0, "s"))
    return f"{seconds * scale:.3g} {unit}"


def rates_sheet(facts: Facts, found: RateValues) -> Sheet:
    """What every tuned rate came to; without rows where nothing was tuned."""
    tuned = found.lanes if found.stage == "tune" else ()
    names = list(dict.fromkeys([*(entrant.optimizer for entrant in facts.ranking), *(lane.optimizer for lane in tuned)]))
    cells = _rate_cells(facts, tuned, found.lasts)
    rows = [[rate(lr), *(cells.get((name, lr), "") for name in names)] for lr in sorted({lr for _, lr in cells})]
    return Sheet(caption=f"{facts.metric} on validation by rate", titles=["lr", *names], rows=rows)


def _rate_cells(facts: Facts, tuned: Sequence[Lane], lasts: Mapping[int, float]) -> dict[tuple[str, float], str]:
    """What a rate came to in words; of several lanes at one rate, the best."""
    worst = -math.inf if facts.higher_is_better else math.inf
    found: dict[tuple[str, float], tuple[float, str]] = {}
    for lane in tuned:
        last = worst if lane.status == "diverged" else lasts.get(lane.lane, worst)
        number = f"{last:.4g}" if math.isfinite(last) else ""
        early = (
            f"diverged at {lane.diverged_at:,}"
            if lane.status == "diverged"
            else f"{number}, {ENDS.get(lane.status, '')} {lane.steps_done:,}"
        )
        text = number if lane.status == "done" else early
        key, order = (lane.optimizer, lane.lr), -last if facts.higher_is_better else last
        if key not in found or order < found[key][0]:
            found[key] = (order, text)
    return {key: text for key, (_, text) in found.items()}


def seeds_sheet(reached: dict[str, list[Reached]]) -> Sheet:
    """Steps to the target for each seed.

    Args:
        reached: what `reached_by_seed` found.
    """
    numbers = list(dict.fromkeys(one.lane.seed for group in reached.values() for one in group))
    rows = []
    for name, group in reached.items():
        texts = {one.lane.seed: one.text for one in group}
        rows.append([name, *(texts.get(number, "") for number in numbers)])
    titles = ["optimiser", *(f"seed {number}" for number in numbers)]
    return Sheet(caption="Steps to the target by seed", titles=titles, rows=rows, numeric=range(1, len(titles)))


def pairs_sheet(facts: Facts) -> Sheet:
    """Every two entrants compared, with intervals: what the ties rest on."""
    rows = []
    for pair in facts.meta.get("pairs") or []:
        cells = [_difference(pair[measure], p) for measure, p in zip(("log_time", "final"), pair["adjusted_p"], strict=True)]
        rows.append([f"{pair['second']} less {pair['first']}", *cells, ", ".join(pair["told_apart_by"]) or "tied"])
    titles = ["pair", "log steps to target", "final value", "told apart by"]
    return Sheet(caption="Differences with 95 % intervals; p adjusted over all pairs and both measures", titles=titles, rows=rows)


def _difference(difference: dict[str, Any], adjusted: float | None) -> str:
    if difference["low"] is None:
        return str(difference["method"])
    numbers = f"{difference['mean']:.3g} [{difference['low']:.3g}, {difference['high']:.3g}]"
    p = "" if adjusted is None else f"\nadjusted p = {adjusted:.2g} ({difference['method']}, n = {difference['n']})"
    return f"{numbers}{p}"


def diverged_sheet(facts: Facts) -> Sheet:
    """Lanes that diverged, with reasons."""
    return _lanes("Divergence is a result: each lane with the step and the reason", facts.diverged)


def causes_sheet(facts: Facts) -> Sheet:
    """Why lanes diverged, as far as that was looked into."""
    return Sheet(caption="Why: one lane of each kind was trained again and looked into", titles=TITLES, rows=diagnosis_rows(facts))


def culled_sheet(facts: Facts) -> Sheet:
    """Lanes that tuning ended early, with reasons."""
    return _lanes("Ended at a rung of tuning, with the place they had, or the loss they had grown to", facts.culled)


def _lanes(caption: str, lanes: list[Lane]) -> Sheet:
    # Hypers only where they differ from lane to lane: they are a column of noise otherwise.
    kinds: dict[str, set[str]] = {}
    for lane in lanes:
        kinds.setdefault(lane.optimizer, set()).add(hypers_text(lane.hypers))
    rows = [
        [
            lane.lane,
            lane.stage,
            lane.optimizer,
            rate(lane.lr) + (f"\n{hypers_text(lane.hypers)}" if len(kinds[lane.optimizer]) > 1 else ""),
            lane.seed,
            status(lane),
            lane.reason or "",
        ]
        for lane in lanes
    ]
    return Sheet(caption=caption, titles=["lane", "stage", "optimiser", "lr", "seed", "status", "reason"], rows=rows, numeric=(3, 4))


def search_sheet(facts: Facts) -> Sheet:
    """The rates of every entrant and what they cost."""
    titles = ["optimiser", "rates", "refined", "gradient evaluations"]
    return Sheet(caption="Search spaces and what they cost", titles=titles, rows=search_rows(facts), numeric=(3,))


def engine_sheet(facts: Facts) -> Sheet:
    """How the lanes of each stage were run."""
    titles = ["stage", "mode", "lanes at a time", "processes", "forecast, s", "took, s", "why"]
    return Sheet(caption="How its lanes were run", titles=titles, rows=engine_rows(facts), numeric=(2, 3, 4, 5))
