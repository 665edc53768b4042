import base64
import hashlib
import json
import re

import numpy as np
import pytest

import records_fixture
from ravine.records import open_record, resume
from ravine.report import bundle, page, read_facts, replay, report
from ravine.report.bundle import Bundle
from ravine.report.replay import Static, as_data, document, fitting, kept, replay_page

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


def test_nothing_foreign_ends_an_element_early(text):
    (data_attributes, data), (script_attributes, script) = elements(text, "script")
    assert 'type="application/json"' in data_attributes
    assert script_attributes == ""
    assert script == r"console.log('<\/script>\x3c!--')"
    assert "alert(1)" in json.loads(data)["view"]["name"]
    assert "<" not in data
    assert elements(text, "style")[1][1].startswith(r"body::after { content: '<\/style>' }")
    assert "<title>a &lt;title&gt;</title>" in text


def test_the_policy_allows_this_script_these_styles_and_nothing_else(text):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        known = [body for attributes, body in elements(text, tag) if "json" not in attributes]
        hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" for body in known]
        assert rules[rule].split() == hashes
    assert not re.search(r'(?:src|href)="(?!#)', text)


def test_the_static_page_shows_until_the_script_runs(text):
    (static, static_style), (app, app_style) = elements(text, "style")
    assert 'id="static-style"' in static
    assert "media" not in static
    assert 'media="not all"' in app
    assert "#app { display: none }" in static_style
    assert "#static{display:none}" in app_style
    assert text.index("<script>") < text.index('<div id="static">\n<main>fallback</main>')


def test_the_data_are_those_of_the_record(record, text):
    data = json.loads(elements(text, "script")[0][1])
    assert data["kind"] == "record"
    assert data["view"]["recipe"] == "import torch"
    assert data["kept"] == "This file has every training loss of every lane."
    curves = data["curves"]
    values = np.frombuffer(base64.b64decode(curves["values"]), "<f4")
    ends = np.cumsum(curves["counts"])
    for lane, begin, end in zip(curves["lanes"], ends - curves["counts"], ends, strict=True):
        assert np.array_equal(values[begin:end], record.losses(lane))


def test_in_little_room_the_ranked_lanes_keep_every_step_and_the_others_are_thinned(record, monkeypatch):
    monkeypatch.setattr(replay, "COLUMNS", (60, 10))
    facts = read_facts(record)
    ranked = {lane.lane for entrant in facts.ranking for lane in facts.final_lanes(entrant) if lane.status == "done"}
    found = fitting(record, facts, 400, 70_000)
    exact = {lane for lane, is_exact in zip(found["lanes"], found["is_exact"], strict=True) if is_exact}
    assert found["columns"] == 60
    assert ranked < exact, "short lanes have every step as well"
    assert len(found["lanes"]) == len(facts.lanes)
    assert re.fullmatch(
        r"This file has every training loss of \d+ lanes, and of \d+ more the least and the greatest in each of 60 columns\. The record .*",
        kept(facts, found),
    )


def test_in_less_room_some_are_left_out_and_that_is_said(record, monkeypatch):
    monkeypatch.setattr(replay, "COLUMNS", (10,))
    facts = read_facts(record)
    ranked = fitting(record, facts, 400, 6_000)
    assert len(ranked["lanes"]) == 12
    assert f"{len(facts.lanes) - 12} lanes are left out" in kept(facts, ranked)
    assert fitting(record, facts, 400, 100)["lanes"] == []


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
    assert '"kind":"record"' in moving


def test_data_never_hold_what_html_reads():
    assert json.loads(as_data({"a": "</SCRIPT><!--"})) == {"a": "</SCRIPT><!--"}
    assert document(Static("t", "b"), BUNDLE, as_data("<!--")).count("<!--") == 0
