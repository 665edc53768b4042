"""Lessons as data: texts, statements, and a run whose figure is whole and small."""

import base64
import json

import numpy as np
import pytest

from ravine.lab import lessons
from ravine.lessons import get, names, run
from ravine.report.panels import Bar, Contour, Curve, Panel, Picture


@pytest.fixture(scope="module")
def every():
    return lessons.listed()


def test_every_lesson_has_its_texts(every):
    assert [lesson["name"] for lesson in every] == list(names())
    for lesson in every:
        assert all(lesson[key] for key in ("claim", "question", "source", "explanation", "setup", "statements")), lesson["name"]
    json.dumps(every, allow_nan=False)


def test_statements_are_the_criterion_that_stands_before_the_run(every):
    saddle = next(lesson for lesson in every if lesson["name"] == "saddle")
    assert [one["says"] for one in saddle["statements"]] == [part.says for part in get("saddle").parts]


def test_a_run_is_the_commands():
    told = []
    found = lessons.run(told.append, name="loss-shapes")
    numbers = run("loss-shapes", quick=True).summary()
    assert {**found["numbers"], "wall_s": 0} == {**numbers, "wall_s": 0}
    assert told == ["measuring"]
    curve = found["picture"]["panels"][0]["curves"][0]
    assert (curve["name"], len(curve["x"]), curve["is_path"]) == ("cross-entropy", len(curve["y"]), False)


def test_a_long_curve_keeps_its_spike_and_a_path_its_order():
    y = np.zeros(10_000)
    y[5003] = 7.0
    there_and_back = np.concatenate([np.arange(500.0), np.arange(500.0)[::-1]])
    panel = Panel(
        title="t",
        curves=(Curve(name="long", x=np.arange(10_000), y=y, low=y - 1, high=y + 1), Curve(name="way", x=there_and_back, y=there_and_back)),
    )
    long, way = lessons._panel(panel)["curves"]
    assert len(long["x"]) <= 2 * lessons.COLUMNS + 2
    assert max(long["y"]) == 7.0
    assert long["high"] == [value + 1 for value in long["y"]]
    assert way["x"] == there_and_back.tolist()


def test_contours_are_thinned_and_bars_keep_their_intervals():
    x, y = np.linspace(-1, 1, 221), np.linspace(0, 4, 221)
    contour = Contour(x=x, y=y, z=y[:, None] + 0 * x[None, :] + 5)
    picture = Picture(
        panels=(Panel(title="plane", contour=contour), Panel(title="bars", bars=(Bar(label="a", value=1.0, low=0.5, high=2.0),))),
        caption="c",
    )
    plane, bars = lessons._picture(picture)["panels"]
    found = plane["contour"]
    values = np.frombuffer(base64.b64decode(found["values"]), "<f4").reshape(found["rows"], found["columns"])
    assert found["rows"] <= lessons.SIDE
    assert found["domain"] == [[-1.0, 1.0], [0.0, 4.0]]
    np.testing.assert_allclose(values[:, 0], np.linspace(0, 4, found["rows"]), atol=1e-6)
    assert bars["bars"] == [{"label": "a", "name": "a", "value": 1.0, "low": 0.5, "high": 2.0}]
