import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

import records_fixture
from ravine.records import open_record
from ravine.report._inline import inline, palette
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
        assert re.fullmatch(r"([MLCQHVZz]|-?[\d.]+| )+", path)
        if len(path) > 300:
            assert not re.search(r"\d\.\d\d", path)
    assert "Avant Garde" not in element
    assert "DejaVu Sans" in element
