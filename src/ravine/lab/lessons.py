"""Lessons as their page needs them: texts, statements to predict, and what a run says, its figure as data."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ravine.lab.figures import floats
from ravine.lab.lesson_presets import PRESETS
from ravine.lessons import get, names
from ravine.lessons._lesson import Lesson
from ravine.lessons._running import carry_out
from ravine.report.panels import Contour, Curve, Panel, Picture
from ravine.report.thinning import thinned

COLUMNS = 300
"""Into which a long curve is cut: of each the least and the greatest value are drawn."""
SIDE = 111
"""Points along a side of a contour at most."""


def listed() -> list[dict[str, Any]]:
    """Every lesson, in the order in which they are best read."""
    return [_described(get(name)) for name in names()]


def _described(lesson: Lesson[Any]) -> dict[str, Any]:
    return {
        **{key: getattr(lesson, key) for key in ("name", "claim", "question", "source", "explanation")},
        "setup": lesson.described(quick=True),
        "statements": [{"says": part.says, "elsewhere": part.elsewhere} for part in lesson.parts],
        "presets": [{"page": page, "query": dict(query)} for page, query in PRESETS.get(lesson.name, ())],
    }


def run(tell: Callable[[str], object], *, name: str) -> dict[str, Any]:
    """Run a lesson in its quick form.

    Args:
        tell: told what is done.
        name: of the lesson.

    Returns:
        `numbers` as `ravine lessons run NAME --quick --json` prints them, and the `picture`.
    """
    lesson = get(name)
    tell("measuring")
    outcome = carry_out(lesson, quick=True)
    return {"numbers": outcome.summary(), "picture": _picture(outcome.picture)}


def _picture(picture: Picture) -> dict[str, Any]:
    return {"caption": picture.caption, "panels": [_panel(panel) for panel in picture.panels]}


def _panel(panel: Panel) -> dict[str, Any]:
    bars = [{"label": bar.label, "name": bar.name or bar.label, "value": bar.value, "low": bar.low, "high": bar.high} for bar in panel.bars]
    return {
        **{key: getattr(panel, key) for key in ("title", "across", "up", "log_x", "log_y", "x_range", "y_range")},
        "levels": dict(panel.levels),
        "ticks": {f"{place:g}": label for place, label in panel.ticks.items()},
        "curves": [_curve(curve) for curve in panel.curves],
        "bars": bars,
        "contour": None if panel.contour is None else _contour(panel.contour),
    }


def _curve(curve: Curve) -> dict[str, Any]:
    x, y = np.asarray(curve.x, dtype=np.float64), np.asarray(curve.y, dtype=np.float64)
    # A path over a plane goes back and forth, and is no function of x.
    is_path = bool((np.diff(x) < 0).any())
    places = np.arange(len(x)) if is_path or len(x) <= 2 * COLUMNS else thinned(y, columns=COLUMNS, span=len(y))[0]
    band = {
        key: None if value is None else np.asarray(value, dtype=np.float64)[places].tolist()
        for key, value in (("low", curve.low), ("high", curve.high))
    }
    ends = {"is_points": curve.is_points, "is_broken": curve.is_broken, "is_path": is_path}
    return {"name": curve.name, "x": x[places].tolist(), "y": y[places].tolist(), **band, **ends}


def _contour(contour: Contour) -> dict[str, Any]:
    z = np.asarray(contour.z, dtype=np.float64)
    rows, columns = (max(1, -(-side // SIDE)) for side in z.shape)
    x, y = np.asarray(contour.x)[::columns], np.asarray(contour.y)[::rows]
    kept = z[::rows, ::columns]
    domain = [[float(x[0]), float(x[-1])], [float(y[0]), float(y[-1])]]
    return {"domain": domain, "rows": kept.shape[0], "columns": kept.shape[1], "values": floats(kept - np.nanmin(kept))}
