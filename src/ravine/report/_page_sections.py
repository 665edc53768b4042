"""The sections of the page, each from the facts alone or with the record's curves."""

import math
from typing import Any

import numpy as np

from ravine.records import Lane, Record
from ravine.report._inline import inline
from ravine.report._markup import bullets, code, facts_table, figure, paragraphs, section, table
from ravine.report.facts import Facts
from ravine.report.figures import curves_figure, rates_figure
from ravine.report.lane_diagnoses import TITLES, diagnosis_rows
from ravine.report.lane_figures import COLUMNS, lane_panels
from ravine.report.protocol_rows import (
    engine_rows,
    environment_rows,
    hypers_text,
    plain,
    protocol_rows,
    protocol_sentences,
    search_rows,
    task_rows,
)
from ravine.report.seed_figure import reached_by_seed, seeds_figure
from ravine.report.tables import explanations, header, row, status
from ravine.report.wording import rate

UNTITLED = {
    "interrupted": "Partial: this race was interrupted.",
    "failed": "Partial: this race ended with an error.",
    "running": "Partial: this race is still running, or was killed.",
}

ENDS = {"culled": "ended at", "running": "still at", "waiting": "still at"}


def banner(facts: Facts) -> str:
    """What stands above everything else while a race is not done."""
    if facts.status not in UNTITLED:
        return ""
    done = sum(lane.status not in ("waiting", "running") for lane in facts.lanes)
    return paragraphs([f"{UNTITLED[facts.status]} {done} of the {len(facts.lanes)} lanes planned so far had ended."], kind="warning")


def ranking(record: Record, facts: Facts) -> str:
    """The ranking with what its columns mean, and the settings of every entrant."""
    del record
    entries = [row(entrant, facts) for entrant in facts.ranking]
    ranked = table("Entrants, best first", header(facts), entries, heads=1, numeric=(0, 3, 4, 7))
    if not ranked:
        ranked = paragraphs(["Nothing is ranked yet."])
    return section("Ranking", ranked, paragraphs(explanations(facts), kind="quiet"), _settings(facts), bullets(facts.notes))


def _settings(facts: Facts) -> str:
    rows = []
    for entrant in facts.ranking:
        lane = next(iter(facts.final_lanes(entrant)), None)
        schedule, hypers = ("", "") if lane is None else (lane.schedule, hypers_text(lane.hypers))
        breaks = "" if entrant.diverges_at_lr is None else rate(entrant.diverges_at_lr)
        cost = [plain(entrant.gradients_per_step), "" if entrant.seconds_per_step is None else f"{1e6 * entrant.seconds_per_step:.3g} us"]
        rows.append([entrant.optimizer, rate(entrant.lr), schedule, hypers or "none", breaks, *cost])
    titles = ["optimiser", "lr", "schedule", "other hypers that are on", "diverges at lr", "gradients a step", "time a step"]
    return table("What they ran with", titles, rows, numeric=(1, 4, 5, 6))


def curves(record: Record, facts: Facts) -> str:
    """The curves of the final, then every lane."""
    shown = []
    if facts.ranking:
        caption = (
            f"The {facts.metric} on the {facts.split} split against steps: for each entrant at its ranked rate the median over the fresh "
            "seeds, and the band between the extremes. A cross ends a lane that diverged. The dotted line is the target."
        )
        shown.append(figure(inline(curves_figure(record), "curves", caption), caption, wide=True))
    panels = [
        figure(inline(drawn, f"lanes-{number}", f"Training loss of every lane of {name}. {fate}"), fate)
        for number, (name, drawn, fate) in enumerate(lane_panels(record, facts))
    ]
    if panels:
        shown.append("<h3>Every lane</h3>")
        shown.append(
            paragraphs(
                [
                    "Training loss as recorded, one line for each lane: strong are the fresh seeds at the ranked rate, faint all others. "
                    "A cross is where a lane diverged, at the upper edge if its loss was beyond; a small circle is where tuning ended a "
                    f"lane early. Lines are thinned for drawing to the least and greatest loss of each of {COLUMNS} columns, so that "
                    "spikes stay; the record has every step. All panels have the same axes."
                ],
                kind="quiet",
            )
        )
        shown.append(f'<div class="panels">{"".join(panels)}</div>')
    return section("Curves", *shown)


def rates(record: Record, facts: Facts) -> str:
    """What every rate came to, drawn and as a table."""
    tuned = [lane for lane in facts.lanes if lane.stage == "tune"]
    if not tuned:
        return ""
    caption = (
        f"The {facts.metric} on the validation split that tuning found at each rate. The ranked rate is ringed, diverged rates are crosses "
        "in the band on top, and faint circles are what a rate had come to where it ended early, "
        "triangles at the edge those beyond it."
    )
    names = list(dict.fromkeys([*(entrant.optimizer for entrant in facts.ranking), *(lane.optimizer for lane in tuned)]))
    cells = _rate_cells(record, facts, tuned)
    found = [[rate(lr), *(cells.get((name, lr), "") for name in names)] for lr in sorted({lr for _, lr in cells})]
    shown = table(f"{facts.metric} on validation by rate", ["lr", *names], found)
    return section("Rate sensitivity", figure(inline(rates_figure(record), "rates", caption), caption, wide=True), shown)


def _rate_cells(record: Record, facts: Facts, tuned: list[Lane]) -> dict[tuple[str, float], str]:
    """What a rate came to in words; of several lanes at one rate, the best."""
    _, values = record.curves(tuned, "validation", facts.metric)
    worst = -math.inf if facts.higher_is_better else math.inf
    found: dict[tuple[str, float], tuple[float, str]] = {}
    for lane, line in zip(tuned, values, strict=True):
        known = line[np.isfinite(line)]
        last = float(known[-1]) if known.size and lane.status != "diverged" else worst
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


def seeds(record: Record, facts: Facts) -> str:
    """Steps to the target for each seed."""
    reached = reached_by_seed(record, facts)
    if not reached:
        return ""
    caption = (
        f"Steps to {facts.metric} {'>=' if facts.higher_is_better else '<='} {facts.target:.4g} on the {facts.split} split: a mark for "
        "each seed, a tick at the median. On the right, hollow: never reached; a cross: diverged."
    )
    numbers = list(dict.fromkeys(one.lane.seed for group in reached.values() for one in group))
    rows = []
    for name, group in reached.items():
        texts = {one.lane.seed: one.text for one in group}
        rows.append([name, *(texts.get(number, "") for number in numbers)])
    titles = ["optimiser", *(f"seed {number}" for number in numbers)]
    drawn = figure(inline(seeds_figure(facts, reached), "seeds", caption), caption, wide=True)
    return section("Time to target", drawn, table("Steps to the target by seed", titles, rows, numeric=range(1, len(titles))))


def pairs(record: Record, facts: Facts) -> str:
    """Every two entrants compared, with intervals: what the ties rest on."""
    del record
    rows = []
    for pair in facts.meta.get("pairs") or []:
        cells = [_difference(pair[measure], p) for measure, p in zip(("log_time", "final"), pair["adjusted_p"], strict=True)]
        rows.append([f"{pair['second']} less {pair['first']}", *cells, ", ".join(pair["told_apart_by"]) or "tied"])
    titles = ["pair", "log steps to target", "final value", "told apart by"]
    return section("Pairs", table("Differences with 95 % intervals; p adjusted over all pairs and both measures", titles, rows))


def _difference(difference: dict[str, Any], adjusted: float | None) -> str:
    if difference["low"] is None:
        return str(difference["method"])
    numbers = f"{difference['mean']:.3g} [{difference['low']:.3g}, {difference['high']:.3g}]"
    p = "" if adjusted is None else f"\nadjusted p = {adjusted:.2g} ({difference['method']}, n = {difference['n']})"
    return f"{numbers}{p}"


def diverged(record: Record, facts: Facts) -> str:
    """Lanes that diverged, with reasons."""
    del record
    causes = table("Why: one lane of each kind was trained again and looked into", TITLES, diagnosis_rows(facts))
    return section("Diverged lanes", _lanes("Divergence is a result: each lane with the step and the reason", facts.diverged), causes)


def culled(record: Record, facts: Facts) -> str:
    """Lanes that tuning ended early, with reasons."""
    del record
    return section(
        "Lanes that ended early", _lanes("Ended at a rung of tuning, with the place they had, or the loss they had grown to", facts.culled)
    )


def _lanes(caption: str, lanes: list[Lane]) -> str:
    # Hypers only where they differ from lane to lane: they are a column of noise otherwise.
    varied = {
        lane.optimizer for lane in lanes if len({hypers_text(other.hypers) for other in lanes if other.optimizer == lane.optimizer}) > 1
    }
    rows = [
        [
            lane.lane,
            lane.stage,
            lane.optimizer,
            rate(lane.lr) + (f"\n{hypers_text(lane.hypers)}" if lane.optimizer in varied else ""),
            lane.seed,
            status(lane),
            lane.reason or "",
        ]
        for lane in lanes
    ]
    return table(caption, ["lane", "stage", "optimiser", "lr", "seed", "status", "reason"], rows, heads=0, numeric=(3, 4))


def protocol(record: Record, facts: Facts) -> str:
    """How it was raced: in words, then entry by entry."""
    del record
    found = search_rows(facts)
    return section(
        "Protocol",
        bullets(protocol_sentences(facts)),
        facts_table("The race", protocol_rows(facts)),
        table("Search spaces and what they cost", ["optimiser", "rates", "refined", "gradient evaluations"], found, numeric=(3,)),
    )


def task(record: Record, facts: Facts) -> str:
    """What was trained."""
    del record
    return section("Task", facts_table("What was trained", task_rows(facts)))


def environment(record: Record, facts: Facts) -> str:
    """Where it ran, and how."""
    del record
    titles = ["stage", "mode", "lanes at a time", "processes", "forecast, s", "took, s", "why"]
    engine = table("How its lanes were run", titles, engine_rows(facts), numeric=(2, 3, 4, 5))
    return section("Environment", facts_table("Machine and versions", environment_rows(facts)), engine)


def recipe(text: str, note: str) -> str:
    """The winner as program text."""
    return section("Recipe", paragraphs([note], kind="quiet"), code(text, "Recipe as program text") if text else "")
