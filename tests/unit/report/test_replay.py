import base64
import gzip
import hashlib
import json
import re

import numpy as np
import pytest

import records_fixture
from ravine.records import open_record, resume
from ravine.report import bundle, page, read_facts, replay, report
from ravine.report.bundle import Bundle
from ravine.report.measures import lane_evaluations
from ravine.report.packed import rounded
from ravine.report.record_view import record_view
from ravine.report.replay import LOADER, TOO_OLD, Static, as_data, document, fitting, kept, least_bytes, replay_page

BUNDLE = Bundle("console.log('</script><!--')", "body::after { content: '</style>' }")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "race.ravine"
    records_fixture.write(path, seeds=3)
    with resume(path) as writer:
        writer.set_meta("task", {"name": "</script><script>alert(1)</script><!--", "rank_by": "loss", "higher_is_better": False})
    with open_record(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def text(record):
    return replay_page(record, Static("a <title>", "<main>fallback</main>"), BUNDLE, recipe="import torch", recipe_note="note")


def elements(text, tag):
    return re.findall(rf"<{tag}\b([^>]*)>(.*?)</{tag}>", text, re.DOTALL)


def unpacked(text):
    """Script and data."""
    script, data = gzip.decompress(base64.b64decode(elements(text, "script")[0][1])).decode().split("\0")
    return script, json.loads(data)


def test_nothing_foreign_ends_an_element_early(text):
    (packed_attributes, letters), (script_attributes, script) = elements(text, "script")
    assert packed_attributes == ' id="ravine-packed" type="text/plain"'
    assert re.fullmatch(r"[\w+/=]+", letters)
    assert (script_attributes, script) == ("", LOADER)
    script, data = unpacked(text)
    assert script == BUNDLE.script
    assert "alert(1)" in data["view"]["name"]
    assert elements(text, "style")[1][1].startswith(r"body::after { content: '<\/style>' }")
    assert "<title>a &lt;title&gt;</title>" in text


def test_the_policy_allows_these_scripts_these_styles_and_nothing_else(text):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules
    known = {"script-src": [LOADER, BUNDLE.script], "style-src": [body for _, body in elements(text, "style")]}
    for rule, bodies in known.items():
        assert rules[rule].split() == [f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" for body in bodies]
    assert not re.search(r'(?:src|href)="(?!#)', text)


def test_the_static_page_shows_until_the_script_runs(text):
    (static, static_style), (app, app_style) = elements(text, "style")
    assert 'id="static-style"' in static
    assert "media" not in static
    assert 'media="not all"' in app
    assert "#app { display: none }" in static_style
    assert "#static{display:none}" in app_style
    assert text.index("<script>") < text.index('<div id="static">') < text.index("<main>fallback</main>")


def numbers(text):
    """Numbers that stand byte by byte."""
    assert text[0] == "~"
    return np.frombuffer(np.frombuffer(base64.b64decode(text[1:]), np.uint8).reshape(4, -1).T.tobytes(), "<f4")


def test_the_data_are_those_of_the_record(record, text):
    _, data = unpacked(text)
    assert data["kind"] == "record"
    assert data["view"]["recipe"] == "import torch"
    assert data["kept"] == "This file has every training loss of every lane, to four digits."
    curves = data["curves"]
    values = numbers(curves["values"])
    ends = np.cumsum(curves["counts"])
    for lane, begin, end in zip(curves["lanes"], ends - curves["counts"], ends, strict=True):
        assert np.array_equal(values[begin:end], rounded(record.losses(lane)))


def test_every_lane_has_its_evaluations(record, text):
    _, data = unpacked(text)
    assert len(data["evaluations"]) == len(data["view"]["measures"]) > 1
    for measure, found in zip(data["view"]["measures"], data["evaluations"], strict=True):
        known = lane_evaluations(record, found["lanes"], measure["split"], measure["metric"])
        values = np.frombuffer(base64.b64decode(known["values"]), "<f4")
        assert known["steps"] == found["steps"]
        assert np.array_equal(numbers(found["values"]), rounded(values), equal_nan=True)


@pytest.fixture(scope="module")
def view(record):
    return record_view(record)


def test_in_little_room_the_ranked_lanes_keep_every_step_and_the_others_are_thinned(record, view, monkeypatch):
    monkeypatch.setattr(replay, "COLUMNS", (60, 10))
    facts = read_facts(record)
    ranked = {lane.lane for entrant in facts.ranking for lane in facts.final_lanes(entrant) if lane.status == "done"}
    found = fitting(record, facts, view, 20_000)
    exact = {lane for lane, is_exact in zip(found["lanes"], found["is_exact"], strict=True) if is_exact}
    assert found["columns"] == 60
    assert ranked < exact, "short lanes have every step as well"
    assert len(found["lanes"]) == len(facts.lanes)
    assert re.fullmatch(
        r"This file has every training loss of \d+ lanes, and of \d+ more the least and the greatest in each of 60 columns, to four "
        r"digits\. The record .*",
        kept(facts, found),
    )


def test_in_less_room_some_are_left_out_and_that_is_said(record, view, monkeypatch):
    monkeypatch.setattr(replay, "COLUMNS", (10,))
    facts = read_facts(record)
    ranked = fitting(record, facts, view, 1_300)
    assert len(ranked["lanes"]) == 12
    assert f"{len(facts.lanes) - 12} lanes are left out" in kept(facts, ranked)
    assert fitting(record, facts, view, 100)["lanes"] == []


def test_what_cannot_fit_is_not_tried(record, view, monkeypatch):
    facts = read_facts(record)
    monkeypatch.setattr(replay, "packed", lambda text: pytest.fail("compressed in vain"))
    assert fitting(record, facts, view, 100)["lanes"] == []
    assert least_bytes({1: 500, 2: 500, 3: 7}, [1, 2, 3], [1], 20) == 1.5 * (500 + 40 + 7)


def test_with_the_bundle_the_report_replays_and_without_it_is_the_static_page(record, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "FOLDER", tmp_path / "nowhere")
    still = report(record, tmp_path / "a.html").read_text(encoding="utf-8")
    assert still == page(record)
    assert "<script" not in still
    monkeypatch.setattr(bundle, "FOLDER", tmp_path)
    (tmp_path / "app.js").write_text(BUNDLE.script, encoding="utf-8")
    (tmp_path / "app.css").write_text(BUNDLE.style, encoding="utf-8")
    moving = report(record, tmp_path / "b.html").read_text(encoding="utf-8")
    assert still[still.index("<header>") : still.index("</body>")].strip() in moving
    assert unpacked(moving)[1]["kind"] == "record"


def test_what_is_packed_is_the_same_each_time():
    assert document(Static("t", "b"), BUNDLE, as_data("<!--")) == document(Static("t", "b"), BUNDLE, as_data("<!--"))


def test_a_browser_that_cannot_unpack_is_told_so_by_the_script_alone(text):
    assert f'<p id="too-old" class="quiet" hidden>{TOO_OLD}</p>' in text
    assert text.index('<div id="static">') < text.index('id="too-old"') < text.index("<main>")
