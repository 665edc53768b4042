"""The ranking and the lanes as tables: for a terminal, as plain text, and as CSV."""

import csv
import io
import textwrap
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ravine.records import Lane, RankedEntrant, Record
from ravine.records.findings import Finding
from ravine.report.facts import Facts, read_facts
from ravine.report.lane_diagnoses import diagnoses_text
from ravine.report.spaces import lane_values, space_lines, spaces, values_text
from ravine.report.wording import digits, listed, rate, sentence

WIDTH = 100


def ranked_table(record: Record) -> Table:
    """The ranking as a rich table that fits 100 columns."""
    return _ranked_table(read_facts(record))


def table(record: Record, *, width: int = WIDTH) -> str:
    """The ranking as plain text: table, what the columns mean, notes and the recommendation."""
    facts = read_facts(record)
    below = [*explanations(facts), *facts.notes, "", sentence(facts), ""]
    return "\n".join([rendered(_ranked_table(facts), width), *(textwrap.fill(line, width) for line in below)])


def lanes_table(record: Record) -> Table:
    """Every lane and what became of it as a rich table."""
    facts = read_facts(record)
    titles = ["lane", "stage", "optimiser", "lr", "seed", "status", "steps", "seconds", "mode", "reason"]
    result = empty_table([*titles, *(["tuned"] if spaces(facts) else [])], numeric=(0, 3, 4, 6, 7))
    for lane in facts.lanes:
        seconds = "" if lane.seconds is None else f"{lane.seconds:.3g}"
        cells = [
            lane.lane,
            lane.stage,
            lane.optimizer,
            rate(lane.lr),
            lane.seed,
            status(lane),
            lane.steps_done,
            seconds,
            lane.mode or "",
            lane.reason or "",
            *([values_text(lane_values(lane, facts))] if spaces(facts) else []),
        ]
        result.add_row(*(escape(str(cell)) for cell in cells))
    return result


def lanes_text(record: Record, *, width: int = WIDTH) -> str:
    """Every lane as plain text, and why those diverged or broke that did."""
    causes = diagnoses_text(read_facts(record), width=width)
    return "\n".join([rendered(lanes_table(record), width), causes] if causes else [rendered(lanes_table(record), width)])


def ranking_csv(record: Record) -> str:
    """The ranking as CSV: one row an entrant, nested parts as `steps_to_target_median` and so on, empty where there is no number."""
    return _csv(ranking_rows(record))


def ranking_rows(record: Record) -> list[dict[str, object]]:
    """The ranking as flat rows: nested parts as `steps_to_target_median` and so on, None where there is no number."""
    rows = []
    for entrant in record.ranking():
        flat: dict[str, object] = {}
        for name, value in entrant.as_json().items():
            if isinstance(value, dict):
                flat |= {f"{name}_{inner}": part for inner, part in value.items()}
            else:
                flat[name] = " ".join(value) if isinstance(value, list) else value
        rows.append(flat)
    return rows


def lanes_csv(record: Record) -> str:
    """Every lane as CSV; hypers are columns of their own, and so is what was found of those that diverged."""
    found: dict[object, Finding] = {one.lane: one.finding for one in read_facts(record).findings}
    return _csv(row | _found(found.get(row["lane"])) for row in lane_rows(record))


def _found(finding: Finding | None) -> dict[str, object]:
    return {} if finding is None else {"finding": finding.title, "where": finding.where}


def lane_rows(record: Record) -> list[dict[str, object]]:
    """Every lane as a flat row; hypers are `hypers_weight_decay` and so on."""
    rows = []
    for lane in record.lanes():
        fields: dict[str, object] = {name: getattr(lane, name) for name in lane.__dataclass_fields__ if name != "hypers"}
        rows.append(fields | {f"hypers_{name}": value for name, value in lane.hypers.items()})
    return rows


def status(lane: Lane) -> str:
    """A lane's status in words, with the step where it diverged or was culled."""
    if lane.status == "culled":
        return f"culled at step {lane.culled_at}"
    return f"diverged at step {lane.diverged_at}" if lane.status == "diverged" else lane.status


def header(facts: Facts) -> list[str]:
    """Titles of the cells of `row`."""
    return ["#", "optimiser", "tied with", "lr", "window", "steps to target", f"final {facts.split} {facts.metric}", "B/param"]


def row(entrant: RankedEntrant, facts: Facts) -> list[str]:
    """One entrant as text cells; a cell may have two lines."""
    ranks = {other.optimizer: other.rank for other in facts.ranking}
    memory = "" if entrant.bytes_per_parameter is None else f"{entrant.bytes_per_parameter:.3g}"
    return [
        str(entrant.rank),
        entrant.optimizer,
        _ranks([ranks[name] for name in entrant.tied_with if name in ranks]),
        rate(entrant.lr) + (" (edge)" if entrant.at_grid_edge else ""),
        f"{entrant.lr_window_decades:.1f}",
        steps_text(entrant),
        final_text(entrant, facts),
        memory,
    ]


def explanations(facts: Facts) -> list[str]:
    """What the columns of the ranking mean in this race, and how the rates were found."""
    if not facts.ranking:
        return []
    seeds = facts.ranking[0].steps_to_target.seeds
    goal = (
        ""
        if facts.target is None
        else f" Target: {facts.split} {facts.metric} {'>=' if facts.higher_is_better else '<='} {facts.target:.4g}."
    )
    mean = "mean [95 % interval]" if seeds > 1 else "one value"
    lines = [
        f"Steps: median over {seeds} fresh {'seeds [interval of the median]' if seeds > 1 else 'seed'}, held for two evaluations.{goal}",
        f"Final: {mean}. Window: decades of rates within 5 % of the way from the best back to the start"
        f"{', of those that ran to the end' if facts.culled else ''}. Tied: cannot be told apart (paired over seeds, Holm-adjusted).",
    ]
    if facts.shared_lr is not None:
        return [*lines, "Rates: shared rate, not a fair comparison."]
    tuned = [lane for lane in facts.lanes if lane.stage == "tune"]
    known = spaces(facts)
    budget = facts.protocol.get("budget_gradients")
    cost = f"; {budget:,} gradient evaluations in all" if isinstance(budget, int) else ""
    own = {entrant.optimizer: [lane for lane in tuned if lane.optimizer == entrant.optimizer] for entrant in facts.ranking}
    counts = sorted({len({(lane.lr, *lane_values(lane, facts).items()) for lane in lanes}) for lanes in own.values()})
    number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    finalists = _finalists(facts)
    how = f"tuned on the validation split with one seed{_search(facts)}"
    what = "Settings" if known else "Rates"
    found = ["Of everything tuned, the values found and their ranges:", *space_lines(facts)] if known else []
    return [*lines, f"{what}: {number} an optimiser, {how}, {finalists} raced on fresh seeds{cost}.", *found]


def _search(facts: Facts) -> str:
    """How the number of rates shrank on the way, as part of a sentence; empty in a record from before there was a choice."""
    search = facts.protocol.get("search")
    if not isinstance(search, dict):
        return ""
    halves = [f"{100 * rung['share']:.0f} %" for rung in search["rungs"] if rung["keeps_one_in"] > 1]
    missing = [f"{100 * share:.0f} %" for share in search["without_rungs_at"]]
    said = " (every rate to its end)" if search["exhaustive"] else ""
    if halves:
        tuned = [lane for lane in facts.lanes if lane.stage == "tune"]
        short = f"; too short for one at {listed(missing)}" if missing else ""
        said = (
            f" (the best third and the next lower rate of each went on at {listed(halves)} of the horizon{short}: "
            f"{len(facts.culled) or 'none'} of {len(tuned)} lanes ended there)"
        )
    elif missing and any(lane.stage == "tune" for lane in facts.lanes):
        said = " (every rate to its end: too few rates, or steps, to end any early)"
    return f"{said} and refined by 0.2 decades around the best" if search["refined"] else said


def _finalists(facts: Facts) -> str:
    """How many rates of an optimiser ran in the final: one where the others diverged or only one was given."""
    settings = {(lane.optimizer, lane.lr, *lane_values(lane, facts).items()) for lane in facts.lanes if lane.stage == "final"}
    counts = sorted({sum(name == entrant.optimizer for name, *_ in settings) for entrant in facts.ranking} - {0})
    words = [{1: "one", 2: "two"}.get(count, str(count)) for count in counts]
    return " ".join(["the best", " or ".join(words)]).rstrip()


def _ranks(ranks: Sequence[int]) -> str:
    """Ranks with runs drawn together: "#2–#4, #6"."""
    runs: list[list[int]] = []
    for rank in sorted(ranks):
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    return ", ".join(f"#{run[0]}" if len(run) == 1 else f"#{run[0]}–#{run[-1]}" for run in runs)


def steps_text(entrant: RankedEntrant) -> str:
    """Median steps to the target with its interval, and how many seeds reached it."""
    steps = entrant.steps_to_target
    if steps.reached == 0:
        return f"not reached (0 of {steps.seeds})"
    median, low, high = ("never" if value is None else f"{value:,.10g}" for value in (steps.median, steps.low, steps.high))
    # A median without a lower end has no interval: one seed, or seeds that all gave one run.
    has_interval = steps.median is None or steps.low is not None
    middle = f"{median} [{low}, {high}]" if steps.seeds > 1 and has_interval else median
    return middle if steps.reached == steps.seeds else f"{middle}\n{steps.reached} of {steps.seeds} reached"


def final_text(entrant: RankedEntrant, facts: Facts) -> str:
    """Mean final value with its interval, and how many seeds diverged."""
    if entrant.final.mean is None:
        return "diverged" if any(lane.status == "diverged" for lane in facts.final_lanes(entrant)) else "not finite"
    mean, low, high = (
        "" if value is None else digits(value, entrant.final.mean) for value in (entrant.final.mean, entrant.final.low, entrant.final.high)
    )
    text = f"{mean} [{low}, {high}]" if low else mean
    lanes = facts.final_lanes(entrant)
    lost = sum(lane.status == "diverged" for lane in lanes)
    return f"{text}\n{lost} of {len(lanes)} diverged" if lost else text


def _ranked_table(facts: Facts) -> Table:
    result = empty_table(header(facts), numeric=(0, 3, 4, 7))
    for entrant in facts.ranking:
        result.add_row(*(escape(cell) for cell in row(entrant, facts)))
    return result


def empty_table(titles: Sequence[str], *, numeric: Sequence[int]) -> Table:
    """A table without rows in the style of all; the columns at `numeric` stand right."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, title in enumerate(titles):
        result.add_column(escape(title), justify="right" if index in numeric else "left", overflow="fold", min_width=len(title))
    return result


def rendered(content: Table, width: int) -> str:
    """A table as plain text, without trailing spaces."""
    console = Console(width=width, file=io.StringIO(), color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _csv(rows: Iterable[dict[str, object]]) -> str:
    found = list(rows)
    names = list(dict.fromkeys(name for each in found for name in each))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()
