"""A race as the interactive page is told of it: everything but the losses, in the words and the numbers of the other forms of report."""

import math
from collections.abc import Iterable, Sequence

from ravine.records import Lane, Record
from ravine.report._styles import Style, styles, theme_named
from ravine.report.facts import Facts, read_facts
from ravine.report.measures import measures
from ravine.report.protocol_rows import environment_rows, hypers_text, protocol_rows, protocol_sentences, task_rows
from ravine.report.rate_points import RateValues, rate_values
from ravine.report.seed_figure import reached_by_seed
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
from ravine.report.summary import summary
from ravine.report.tables import explanations
from ravine.report.views import EntrantRates, EntrantView, LaneColumns, LineStyle, RatePoint, Rates, RecordView, Table
from ravine.report.wording import partial, sentence, subtitle


def record_view(record: Record, *, recipe: str = "", recipe_note: str = "") -> RecordView:
    """The view of a race.

    Args:
        record: the record, finished or not.
        recipe: the winner as program text.
        recipe_note: where that text comes from, or why it is not there.
    """
    facts = read_facts(record)
    names = entrant_names(facts)
    recorded, values = record.steps_recorded(), rate_values(record, facts)
    return {
        "kind": "race",
        "name": str(facts.task.get("name", "race")),
        "status": facts.status,
        "banner": partial(facts),
        "verdict": sentence(facts),
        "subtitle": subtitle(facts),
        "metric": facts.metric,
        "split": facts.split,
        "higher_is_better": facts.higher_is_better,
        "target": facts.target,
        "steps": max(int(facts.protocol.get("steps") or 0), *recorded.values(), 1),
        "summary": summary(record),
        "entrants": entrant_views(facts, names),
        "lanes": lane_columns(facts.lanes, names, recorded),
        "measures": measures(record, facts),
        "rates": rates(facts, names, values),
        "ranking": ranking_sheet(facts).as_json(),
        "explanations": explanations(facts),
        "notes": facts.notes,
        "protocol": protocol_sentences(facts),
        "facts": [
            ("The race", protocol_rows(facts)),
            ("What was trained", task_rows(facts)),
            ("Machine and versions", environment_rows(facts)),
        ],
        "tables": tables(record, facts, values),
        "recipe": recipe,
        "recipe_note": recipe_note,
    }


def entrant_names(facts: Facts) -> list[str]:
    """Entrants in the order of the view: as ranked, then whoever else has a lane."""
    return list(dict.fromkeys([*(entrant.optimizer for entrant in facts.ranking), *sorted({lane.optimizer for lane in facts.lanes})]))


def entrant_views(facts: Facts, names: Sequence[str]) -> list[EntrantView]:
    """What is known of each entrant, and how it is drawn."""
    drawn, ranked = entrant_styles(names), {entrant.optimizer: entrant for entrant in facts.ranking}
    found = list[EntrantView]()
    for name in names:
        entrant = ranked.get(name)
        found.append(
            {
                "name": name,
                "style": drawn[name],
                "rank": None if entrant is None else entrant.rank,
                "lr": None if entrant is None else entrant.lr,
                "tied_with": [] if entrant is None else list(entrant.tied_with),
                "lanes": [] if entrant is None else [lane.lane for lane in facts.final_lanes(entrant)],
            }
        )
    return found


def entrant_styles(names: Sequence[str]) -> dict[str, LineStyle]:
    """Colours in both themes, dash and mark of each name, as the figures draw it."""
    light, dark = (styles(names, theme_named(theme)) for theme in ("light", "dark"))
    return {name: _style(light[name], dark[name]) for name in names}


def _style(light: Style, dark: Style) -> LineStyle:
    return {"colour": {"light": light.color, "dark": dark.color}, "dash": list(light.dash[1] or ()), "marker": light.mark}


def lane_columns(lanes: Iterable[Lane], names: Sequence[str], recorded: dict[int, int]) -> LaneColumns:
    """All lanes, column by column.

    Args:
        lanes: of the record.
        names: of the entrants, to which `entrant` points.
        recorded: number of training losses of each lane.
    """
    own, places = list(lanes), {name: place for place, name in enumerate(names)}
    hypers, reasons = _Texts(), _Texts()
    return {
        "lane": [lane.lane for lane in own],
        "stage": [lane.stage for lane in own],
        "entrant": [places[lane.optimizer] for lane in own],
        "lr": [lane.lr for lane in own],
        "seed": [lane.seed for lane in own],
        "status": [lane.status for lane in own],
        "ended_at": [lane.diverged_at if lane.status == "diverged" else lane.culled_at for lane in own],
        "losses": [recorded.get(lane.lane, 0) for lane in own],
        "hypers": [hypers.place(hypers_text(lane.hypers)) for lane in own],
        "hypers_texts": hypers.known,
        "reason": [reasons.place(lane.reason or "") for lane in own],
        "reasons": reasons.known,
    }


class _Texts:
    """Texts of which many lanes have the same."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.known)
            self.known.append(text)
        return self._places[text]


def rates(facts: Facts, names: Sequence[str], found: RateValues) -> Rates | None:
    """What every rate came to; None where there is no lane."""
    if not found.lanes:
        return None
    fates = dict[tuple[str, float], set[str]]()
    for lane in found.lanes:
        fates.setdefault((lane.optimizer, lane.lr), set()).add(lane.status)
    ranked = {entrant.optimizer: entrant.lr for entrant in facts.ranking}
    points: list[list[RatePoint]] = [[] for _ in names]
    for key in sorted(fates):
        points[names.index(key[0])].append(_point(key, fates[key], found.finals.get(key), found.early.get(key)))
    entrants: list[EntrantRates] = [
        {"entrant": place, "ranked": ranked.get(name), "points": points[place]} for place, name in enumerate(names)
    ]
    return {"split": found.split, "metric": facts.metric, "entrants": entrants}


def _point(key: tuple[str, float], statuses: set[str], final: float | None, early: float | None) -> RatePoint:
    """A rate is what its best lane came to: the end, a rung, or neither."""
    if final is not None:
        return {"lr": key[1], "value": final, "status": "done"}
    if early is not None and math.isfinite(early):
        return {"lr": key[1], "value": early, "status": "culled"}
    return {"lr": key[1], "value": None, "status": "diverged" if statuses <= {"diverged"} else "running"}


def tables(record: Record, facts: Facts, values: RateValues) -> dict[str, Table]:
    """The tables below the figures, by name; those without rows are left out."""
    sheets: dict[str, Sheet] = {
        "settings": settings_sheet(facts),
        "seeds": seeds_sheet(reached_by_seed(record, facts)),
        "rates": rates_sheet(facts, values),
        "pairs": pairs_sheet(facts),
        "diverged": diverged_sheet(facts),
        "causes": causes_sheet(facts),
        "culled": culled_sheet(facts),
        "search": search_sheet(facts),
        "engine": engine_sheet(facts),
    }
    return {name: sheet.as_json() for name, sheet in sheets.items() if sheet.rows}
