"""The report with the lab's page in it: the same script as the lab's, fed from the file itself; without scripts, the static page.

Script and data stand in the file compressed; a few lines of script unpack them, and where a browser cannot, the static page stays.
"""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import cast

from ravine.records import Record
from ravine.report._page_style import STYLE
from ravine.report.bundle import Bundle
from ravine.report.facts import Facts, read_facts
from ravine.report.lane_curves import lane_curves, loss_bands, whole_window
from ravine.report.measures import lane_evaluations
from ravine.report.packed import in_planes
from ravine.report.record_view import entrant_names, record_view
from ravine.report.views import LaneCurves, RecordView, ReplayData

MOST_BYTES = 900_000
"""What a report is filled up to with curves."""

LEAST_CURVES = 120_000
"""Bytes that curves may take however large the rest is."""

BYTES_PER_LOSS = 1.5
"""Less than a loss takes in the file: what cannot fit is not even tried."""

BAND_COLUMNS, LEAST_BAND_COLUMNS = 240, 60
SHARED_BAND_COLUMNS = 2400
"""Columns of all entrants' bands together: of very many, each has fewer."""

COLUMNS = (480, 320, 240, 160, 120, 80, 60, 40, 20, 10)
"""Of the lanes' curves, from the finest on: the first that fits is taken."""

PACKED_FLOATS = {"values", "low", "high", "median"}
"""Keys of numbers in base64."""

TOO_OLD = (
    "This browser cannot unpack the interactive report, so this is its still form, with every figure and table. "
    "A browser of 2023 or later opens the other."
)

LOADER = """(async () => {
  const by = (id) => document.getElementById(id);
  const turn = (app, still) => { by("app-style").media = app; by("static-style").media = still; };
  turn("screen", "print");
  try {
    const bytes = Uint8Array.from(atob(by("ravine-packed").textContent), (letter) => letter.charCodeAt(0));
    const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    const cut = text.indexOf("\\0");
    const element = (settings) => document.body.append(Object.assign(document.createElement("script"), settings));
    by("ravine-packed").remove();
    element({ type: "application/json", id: "ravine-data", text: text.slice(cut + 1) });
    turn("not all", "all");
    element({ text: text.slice(0, cut) });
  } catch {
    turn("not all", "all");
    document.addEventListener("DOMContentLoaded", () => (by("too-old").hidden = false));
    if (by("too-old")) by("too-old").hidden = false;
  }
})();
"""
"""Hides the static page, unpacks the data and then the script, which shows itself; shows the static page again where that fails."""


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
        recipe_note: where that text comes from, or why it is not there.
    """
    facts = read_facts(record)
    view = record_view(record, recipe=recipe, recipe_note=recipe_note)
    lanes, names = [lane.lane for lane in facts.lanes], entrant_names(facts)
    columns = min(BAND_COLUMNS, max(LEAST_BAND_COLUMNS, SHARED_BAND_COLUMNS // max(len(names), 1)))
    data: ReplayData = {
        "kind": "record",
        "view": view,
        "bands": loss_bands(record, facts, names, whole_window(facts, columns=columns, recorded=view["steps"])),
        "curves": lane_curves(record, [], whole_window(facts, columns=1)),
        "evaluations": [lane_evaluations(record, lanes, one["split"], one["metric"]) for one in view["measures"]],
        "kept": "",
    }
    data = cast(ReplayData, compressible(data))
    room = MOST_BYTES - len(document(static, bundle, as_data(data)).encode())
    curves = fitting(record, facts, view, max(room, LEAST_CURVES))
    return document(static, bundle, as_data({**data, "curves": curves, "kept": kept(facts, curves)}))


def compressible(data: object) -> object:
    """The same data with numbers to four digits, byte by byte."""
    if isinstance(data, dict):
        return {
            key: in_planes(value) if key in PACKED_FLOATS and isinstance(value, str) else compressible(value) for key, value in data.items()
        }
    return [compressible(one) for one in data] if isinstance(data, list) else data


def fitting(record: Record, facts: Facts, view: RecordView, most: int) -> LaneCurves:
    """The finest curves of at most so many bytes: all of every lane, every step of the ranked ones if there is room, in need those alone.

    Args:
        record: the record.
        facts: of it.
        view: of it.
        most: bytes in the file.
    """
    counts = dict(zip(view["lanes"]["lane"], view["lanes"]["losses"], strict=True))
    lanes = list(counts)
    ranked = [lane.lane for entrant in facts.ranking for lane in facts.final_lanes(entrant)]
    for own, exact, choices in ((lanes, lanes, COLUMNS[:1]), (lanes, ranked, COLUMNS), (lanes, [], COLUMNS), (ranked, [], COLUMNS)):
        for columns in choices:
            if least_bytes(counts, own, exact, columns) > most:
                continue
            found = lane_curves(record, own, whole_window(facts, columns=columns, recorded=view["steps"]), exact=exact)
            small = cast(LaneCurves, compressible(found))
            if len(packed(as_data(small))) <= most:
                return small
    return lane_curves(record, [], whole_window(facts, columns=COLUMNS[-1], recorded=view["steps"]))


def least_bytes(counts: Mapping[int, int], lanes: Sequence[int], exact: Sequence[int], columns: int) -> float:
    """Fewer bytes than curves will take."""
    whole = set(exact)
    return BYTES_PER_LOSS * sum(counts[lane] if lane in whole else min(counts[lane], 2 * columns) for lane in lanes)


def kept(facts: Facts, curves: LaneCurves) -> str:
    """What the file has of the record's losses, in a sentence."""
    number, exact = len(curves["lanes"]), sum(curves["is_exact"])
    if exact == len(facts.lanes):
        return "This file has every training loss of every lane, to four digits."
    thinned = f"the least and the greatest in each of {curves['columns']} columns"
    of_others = f" and of {number - exact} more {thinned}" if exact else f" of {number} lanes {thinned}"
    none = f"; {len(facts.lanes) - number} lanes are left out" if number < len(facts.lanes) else ""
    every = f" every training loss of {exact} lanes," if exact else ""
    return f"This file has{every}{of_others}, to four digits{none}. The record has every step: ravine lab FILE.ravine shows it."


def as_data(data: object) -> str:
    """JSON that stands behind the script in what is packed."""
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


def packed(text: str) -> str:
    """Text compressed and in letters; the same for the same text."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")


def document(static: Static, bundle: Bundle, data: str) -> str:
    """The file: style sheets of both forms, of which the script turns its own on, then script and data as one, and the static page."""
    script = bundle.script.replace("\0", "\\0")
    payload = packed("\0".join([script, data]))
    app_style = re.sub(r"</(style)", r"<\\/\1", bundle.style, flags=re.IGNORECASE) + "#static{display:none}"
    static_style = f"{STYLE}#app {{ display: none }}\n"
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(LOADER)} {_hash(script)}",
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
            f'</head>\n<body>\n<div id="app"></div>\n<script id="ravine-packed" type="text/plain">{payload}</script>',
            f'<script>{LOADER}</script>\n<div id="static">\n<p id="too-old" class="quiet" hidden>{TOO_OLD}</p>\n{static.body}\n</div>',
            "</body>\n</html>\n",
        ]
    )


def _hash(text: str) -> str:
    """What a policy calls an element with this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
