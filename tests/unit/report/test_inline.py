import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

import records_fixture
from ravine.records import open_record
from ravine.report._inline import _flat, _short, inline, palette
from ravine.report._styles import theme_named
from ravine.report.figures import curves_figure


@pytest.fixture(scope="module")
def element(tmp_path_factory):
    path = tmp_path_factory.mktemp("inline") / "race.ravine"
    records_fixture.write(path)
    with open_record(path) as record:
        yield inline(curves_figure(record), "curves", 'what < it & "shows"')


def test_it_is_one_described_element_of_its_own_kind(element):
    root = ElementTree.fromstring(element.replace("xlink:href", "href"))
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'what < it & "shows"'
    assert not {"metadata", "style", "script"} & {node.tag for node in root.iter()}


def test_text_is_text_and_keeps_its_numbers(element):
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", element)
    assert {"adam", "adamw", "sgd", "step"} <= set(texts)


def test_colours_are_the_page_s(element):
    light = theme_named("light")
    for color in (light.paper, light.ink, light.grid, *(color for color in light.colors if color != "ink")):
        assert color.lower() not in element.lower()
    assert {"--ink", "--grid", "--curve-0"} <= set(re.findall(r"var\((--[\w-]+)\)", element))
    for name in ("light", "dark"):
        assert {f"--{word}" for word in ("paper", "ink", "faint", "grid", "curve-0", "curve-7")} <= set(
            re.findall(r"--[\w-]+", palette(name))
        )


def test_identifiers_are_used_and_begin_with_its_name(element):
    named, used = re.findall(r' id="([^"]+)"', element), set(re.findall(r'(?:href="#|url\(#)([^")]+)', element))
    assert set(named) == used
    assert all(name.startswith("curves-") for name in named)
    assert len(named) == len(set(named))


def test_places_are_rounded_and_texts_are_not():
    figure = Figure(figsize=(2, 2))
    figure.text(0.123456, 0.5, "0.0012345")
    text = inline(figure, "a", "b")
    assert "0.0012345" in text
    assert not re.search(r"\d\.\d{3}", text.replace("0.0012345", ""))
    assert text == inline(figure, "a", "b")


def test_curves_cost_few_letters_and_keep_their_places(element):
    assert not re.search(r">\s+<", element)
    paths = re.findall(r' d="([^"]*)"', element)
    assert max(map(len, paths)) > 300
    for path in paths:
        assert not re.search(r"[A-Za-z] | [A-Za-z]", path)
        assert re.fullmatch(r"([MLCQHVZzl]|-?[\d.]+| )+", path)
        if len(path) > 300:
            assert not re.search(r"\.\d\d", path)
    assert "Avant Garde" not in element
    assert "DejaVu Sans" in element


def walked(path):
    """Where a path of absolute starts and relative steps leads."""
    places = []
    for letter, numbers in re.findall(r"([Mlz])([^Mlz]*)", path):
        pairs = np.array([float(number) for number in re.findall(r"-?(?:\d+(?:\.\d+)?|\.\d+)", numbers)]).reshape(-1, 2)
        places += [pairs] if letter == "M" else [places[-1][-1] + np.cumsum(pairs, axis=0)] if letter == "l" else []
    return np.concatenate(places)


def test_steps_between_points_add_up_to_their_places():
    points = np.random.default_rng(0).uniform(-300, 300, (400, 2)).round(2)
    points[7] = points[6]
    text = "\n".join(f"{'ML'[place not in (0, 100)]} {x:.2f} {y:.2f} " for place, (x, y) in enumerate(points))
    short = _short(f"{text}z")
    assert short.count("M") == 2
    assert short.endswith("z")
    assert np.abs(walked(short) - points).max() < 0.0501
    assert len(short) < 0.8 * len(text)


def test_a_short_path_and_one_of_bends_stay_as_they_are():
    assert _short("M 0 0 \nL 0.25 1 ") == "M0 0L0.25 1"
    bends = "M 0 0 " + "C 1.25 2 3 4 5 6 " * 30
    assert _short(bends) == "M0 0" + "C1.2 2 3 4 5 6" * 30


def test_lines_of_one_kind_are_styled_together_and_empty_groups_go():
    line = '<path d="M0 0L1 1" style="stroke:red"/>'
    assert _flat(f"<g><g>{line}{line}</g></g>") == '<g style="stroke:red"><path d="M0 0L1 1"/><path d="M0 0L1 1"/></g>'
    other = line.replace("red", "blue")
    assert _flat(f'<g class="a">{line}{other}</g>') == f'<g class="a">{line}{other}</g>'
