"""The report: one self-contained HTML file that opens from disk, without scripts and without the network."""

import json
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ravine.base.errors import InputError
from ravine.records import Record
from ravine.report.facts import Facts, read_facts
from ravine.report.figures import race_figure, svg
from ravine.report.tables import explanations, header, row, status
from ravine.report.wording import rate, sentence

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 74rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
.verdict { font-size: 1.1rem; border-left: 4px solid #0072b2; padding-left: .8rem; }
.scroll { overflow-x: auto; } figure { margin: 1.5rem 0; } figure svg { width: 100%; height: auto; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd; }
td { vertical-align: top; white-space: pre-line; font-variant-numeric: tabular-nums; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; overflow-wrap: anywhere; }
.small { color: #555; font-size: .9rem; }
"""


def report(record: Record, path: str | os.PathLike[str]) -> Path:
    """Write the report of `record` to `path`, whole or not at all, and return the path.

    Raises:
        InputError: `path` is a folder or a record, or cannot be written.
    """
    target = Path(path)
    if target.is_dir() or target.suffix == ".ravine":
        raise InputError(f"{target} cannot hold a report; give the name of an HTML file, such as report.html.", given=target)
    draft = target.with_name(f".{target.name}.draft")
    text = page(record)
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{target} cannot be written: {reason}; check the folder and its permissions.", given=target) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def page(record: Record) -> str:
    """The report as HTML text."""
    facts = read_facts(record)
    name = escape(str(facts.task.get("name", "race")))
    parts = [
        f'<p class="verdict">{escape(sentence(facts))}</p>',
        f"<figure>{svg(race_figure(record))}</figure>",
        "<h2>Ranking</h2>",
        _table(header(facts), [row(entrant, facts) for entrant in facts.ranking]),
        *(f'<p class="small">{escape(line)}</p>' for line in explanations(facts)),
        _notes(facts.notes),
        _pairs(facts.meta.get("pairs") or []),
        _diverged(facts),
        "<h2>Task</h2>",
        _definitions(facts.task),
        "<h2>Protocol</h2>",
        _definitions(facts.protocol),
        "<h2>Environment</h2>",
        _definitions({**(facts.meta.get("environment") or {}), "created": facts.meta.get("created"), "wall_s": facts.meta.get("wall_s")}),
    ]
    body = "\n".join(part for part in parts if part)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>ravine: {name}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n<h1>{name}</h1>\n{body}\n</body>\n</html>\n'


def _table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    lines = ["".join(f"<td>{escape(str(cell))}</td>" for cell in cells) for cells in rows]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>Notes</h2>\n<ul>{items}</ul>" if items else ""


def _pairs(pairs: Sequence[dict[str, Any]]) -> str:
    """Every two entrants compared, with intervals: what the ties rest on."""
    if not pairs:
        return ""
    rows = []
    for pair in pairs:
        cells = [_difference(pair[measure], p) for measure, p in zip(("log_time", "final"), pair["adjusted_p"], strict=True)]
        rows.append([f"{pair['second']} less {pair['first']}", *cells, ", ".join(pair["told_apart_by"]) or "tied"])
    titles = ["pair", "log steps to target", "final value", "told apart by"]
    return f"<h2>Pairs</h2>\n{_table(titles, rows)}"


def _difference(difference: dict[str, Any], adjusted: float) -> str:
    if difference["low"] is None:
        return str(difference["method"])
    numbers = f"{difference['mean']:.3g} [{difference['low']:.3g}, {difference['high']:.3g}]"
    return f"{numbers}\nadjusted p = {adjusted:.2g} ({difference['method']}, n = {difference['n']})"


def _diverged(facts: Facts) -> str:
    if not facts.diverged:
        return ""
    rows = [[lane.lane, lane.stage, lane.optimizer, rate(lane.lr), lane.seed, status(lane), lane.reason or ""] for lane in facts.diverged]
    return f"<h2>Diverged lanes</h2>\n{_table(['lane', 'stage', 'optimiser', 'lr', 'seed', 'status', 'reason'], rows)}"


def _definitions(values: dict[str, Any]) -> str:
    shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items() if value is not None}
    items = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in shown.items())
    return f"<dl>\n{items}\n</dl>"
