"""The report with the lab's page in it: the same script as the lab's, fed from the file itself; without scripts, the static page."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from html import escape

from ravine.records import Record
from ravine.report._page_style import STYLE
from ravine.report.bundle import Bundle
from ravine.report.facts import Facts, read_facts
from ravine.report.lane_curves import lane_curves, loss_bands, whole_window
from ravine.report.record_view import entrant_names, record_view
from ravine.report.views import LaneCurves, ReplayData

MOST_BYTES = 1_000_000
"""What a report of an ordinary race stays under."""

LEAST_CURVES = 200_000
"""Bytes that curves may take however large the rest is."""

BAND_COLUMNS = 240
COLUMNS = (480, 320, 240, 160, 120, 80, 60, 40)
"""Of the lanes' curves, from the finest on: the first that fits is taken."""


@dataclass(frozen=True, slots=True)
class Static:
    """The static page in its parts.

    Attributes:
        title: of the document.
        body: what stands in its body.
    """

    title: str
    body: str


def replay_page(record: Record, static: Static, bundle: Bundle, *, recipe: str = "", recipe_note: str = "") -> str:
    """The report as HTML text.

    Args:
        record: the record, finished or not.
        static: what is shown without scripts, and printed.
        bundle: the lab's page.
        recipe: the winner as program text.
        recipe_note: where that text comes from.
    """
    facts = read_facts(record)
    view = record_view(record, recipe=recipe, recipe_note=recipe_note)
    bands = loss_bands(record, facts, entrant_names(facts), whole_window(facts, columns=BAND_COLUMNS, recorded=view["steps"]))
    fixed = sum(len(part.encode()) for part in (static.body, bundle.script, bundle.style, STYLE, json.dumps([view, bands])))
    curves = fitting(record, facts, view["steps"], max(MOST_BYTES - fixed, LEAST_CURVES))
    data: ReplayData = {"kind": "record", "view": view, "bands": bands, "curves": curves, "kept": kept(facts, curves)}
    return document(static, bundle, as_data(data))


def fitting(record: Record, facts: Facts, recorded: int, most: int) -> LaneCurves:
    """The finest curves of at most so many bytes, every step of the ranked lanes if there is room; in need of those lanes alone.

    Args:
        record: the record.
        facts: of it.
        recorded: losses of its longest lane.
        most: bytes.
    """
    lanes = [lane.lane for lane in facts.lanes]
    ranked = [lane.lane for entrant in facts.ranking for lane in facts.final_lanes(entrant)]
    curves = lane_curves(record, [], whole_window(facts, columns=COLUMNS[-1], recorded=recorded))
    for own, exact in ((lanes, ranked), (lanes, []), (ranked, [])):
        for columns in COLUMNS:
            found = lane_curves(record, own, whole_window(facts, columns=columns, recorded=recorded), exact=exact)
            if len(json.dumps(found)) <= most:
                return found
    return curves


def kept(facts: Facts, curves: LaneCurves) -> str:
    """What the file has of the record's losses, in a sentence."""
    number, exact = len(curves["lanes"]), sum(curves["is_exact"])
    if exact == len(facts.lanes):
        return "This file has every training loss of every lane."
    thinned = f"the least and the greatest in each of {curves['columns']} columns"
    of_others = f" and of {number - exact} more {thinned}" if exact else f" of {number} lanes {thinned}"
    none = f"; {len(facts.lanes) - number} lanes are left out" if number < len(facts.lanes) else ""
    every = f" every training loss of {exact} lanes," if exact else ""
    return f"This file has{every}{of_others}{none}. The record has every step: ravine lab FILE.ravine shows it."


def as_data(data: object) -> str:
    """JSON that may stand inside a script element, whatever texts it holds."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def document(static: Static, bundle: Bundle, data: str) -> str:
    """The file: style sheets of both forms, of which the script turns its own on, then data, script and the static page."""
    script = re.sub(r"</(script)", r"<\\/\1", bundle.script, flags=re.IGNORECASE).replace("<!--", "\\x3c!--")
    app_style = re.sub(r"</(style)", r"<\\/\1", bundle.style, flags=re.IGNORECASE) + "#static{display:none}"
    static_style = f"{STYLE}#app {{ display: none }}\n"
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(static_style)} {_hash(app_style)}",
            "style-src-attr 'unsafe-inline'",  # figures drawn as SVG carry their strokes there
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(static.title)}</title>',
            f'<style id="static-style">{static_style}</style>\n<style id="app-style" media="not all">{app_style}</style>',
            f'</head>\n<body>\n<div id="app"></div>\n<script id="ravine-data" type="application/json">{data}</script>',
            f'<script>{script}</script>\n<div id="static">\n{static.body}\n</div>\n</body>\n</html>\n',
        ]
    )


def _hash(text: str) -> str:
    """What a policy calls an element with this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
