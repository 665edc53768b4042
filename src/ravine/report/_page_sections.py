"""The sections of the page, each from the facts alone or with the record's curves."""

from ravine.records import Record
from ravine.report._inline import inline
from ravine.report._markup import bullets, code, facts_table, figure, paragraphs, section, table
from ravine.report.facts import Facts
from ravine.report.figures import curves_figure, rates_figure
from ravine.report.lane_figures import drawn_columns, lane_panels
from ravine.report.protocol_rows import environment_rows, protocol_rows, protocol_sentences, task_rows
from ravine.report.rate_points import rate_values
from ravine.report.seed_figure import reached_by_seed, seeds_figure
from ravine.report.sheets import (
    Sheet,
    causes_sheet,
    culled_sheet,
    diverged_sheet,
    engine_sheet,
    pairs_sheet,
    ranking_sheet,
    rates_sheet,
    search_sheet,
    seeds_sheet,
    settings_sheet,
)
from ravine.report.tables import explanations


def ranking(record: Record, facts: Facts) -> str:
    """The ranking with what its columns mean, and the settings of every entrant."""
    del record
    ranked = _sheet(ranking_sheet(facts)) or paragraphs(["Nothing is ranked yet."])
    below = paragraphs(explanations(facts), kind="quiet")
    return section("Ranking", ranked, below, _sheet(settings_sheet(facts)), bullets(facts.notes))


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
                    f"lane early. Lines are thinned for drawing to the least and greatest loss of each of {drawn_columns(facts)} columns, "
                    "so that spikes stay; the record has every step. All panels have the same axes."
                ],
                kind="quiet",
            )
        )
        shown.append(f'<div class="panels">{"".join(panels)}</div>')
    return section("Curves", *shown)


def rates(record: Record, facts: Facts) -> str:
    """What every rate came to, drawn and as a table."""
    if not any(lane.stage == "tune" for lane in facts.lanes):
        return ""
    caption = (
        f"The {facts.metric} on the validation split that tuning found at each rate. The ranked rate is ringed, diverged rates are crosses "
        "in the band on top, and faint circles are what a rate had come to where it ended early, "
        "triangles at the edge those beyond it."
    )
    drawn = figure(inline(rates_figure(record), "rates", caption), caption, wide=True)
    return section("Rate sensitivity", drawn, _sheet(rates_sheet(facts, rate_values(record, facts))))


def seeds(record: Record, facts: Facts) -> str:
    """Steps to the target for each seed."""
    reached = reached_by_seed(record, facts)
    if not reached:
        return ""
    caption = (
        f"Steps to {facts.metric} {'>=' if facts.higher_is_better else '<='} {facts.target:.4g} on the {facts.split} split: a mark for "
        "each seed, a tick at the median. On the right, hollow: never reached; a cross: diverged."
    )
    drawn = figure(inline(seeds_figure(facts, reached), "seeds", caption), caption, wide=True)
    return section("Time to target", drawn, _sheet(seeds_sheet(reached)))


def pairs(record: Record, facts: Facts) -> str:
    """Every two entrants compared, with intervals: what the ties rest on."""
    del record
    return section("Pairs", _sheet(pairs_sheet(facts)))


def diverged(record: Record, facts: Facts) -> str:
    """Lanes that diverged, with reasons."""
    del record
    return section("Diverged lanes", _sheet(diverged_sheet(facts)), _sheet(causes_sheet(facts)))


def culled(record: Record, facts: Facts) -> str:
    """Lanes that tuning ended early, with reasons."""
    del record
    return section("Lanes that ended early", _sheet(culled_sheet(facts)))


def protocol(record: Record, facts: Facts) -> str:
    """How it was raced: in words, then entry by entry."""
    del record
    return section(
        "Protocol",
        bullets(protocol_sentences(facts)),
        facts_table("The race", protocol_rows(facts)),
        _sheet(search_sheet(facts)),
    )


def task(record: Record, facts: Facts) -> str:
    """What was trained."""
    del record
    return section("Task", facts_table("What was trained", task_rows(facts)))


def environment(record: Record, facts: Facts) -> str:
    """Where it ran, and how."""
    del record
    return section("Environment", facts_table("Machine and versions", environment_rows(facts)), _sheet(engine_sheet(facts)))


def recipe(text: str, note: str) -> str:
    """The winner as program text."""
    return section("Recipe", paragraphs([note], kind="quiet"), code(text, "Recipe as program text") if text else "")


def _sheet(given: Sheet) -> str:
    return table(given.caption, given.titles, given.rows, heads=given.heads, numeric=given.numeric)
