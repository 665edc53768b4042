"""The table in docs/lessons.md has every lesson with its own claim and a verdict that a run can give."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from ravine.lessons import get, names
from ravine.lessons._criterion import VERDICTS

DOCS = Path(__file__).parents[2] / "docs"


def load_writer():
    spec = importlib.util.spec_from_file_location("write_lessons", DOCS / "write_lessons.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows():
    text = (DOCS / "lessons.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([\w-]+)` \| (.*) \| \*\*(.*)\*\* \| (\w+) \|$", text, re.MULTILINE)


def test_every_lesson_has_its_row():
    assert [name for name, *_ in rows()] == list(names())


def test_claims_are_the_lessons_own_and_verdicts_are_verdicts():
    for name, claim, verdict, form in rows():
        assert claim.replace("&#124;", "|") == get(name).claim, f"{name}: run docs/write_lessons.py"
        assert verdict in VERDICTS
        assert form in ("quick", "full")


def outcome(name, verdict, form="quick"):
    return {"lesson": name, "claim": get(name).claim, "verdict": verdict, "form": form}


def test_the_writer_takes_the_later_outcome(tmp_path, monkeypatch):
    writer = load_writer()
    page = tmp_path / "lessons.md"
    page.write_text(f"before\n{writer.BEGIN}\nSTALE\n{writer.END}\nafter\n")
    monkeypatch.setattr(writer, "PAGE", page)
    first, second = tmp_path / "all.json", tmp_path / "one.json"
    first.write_text(json.dumps({"lessons": [outcome(name, "cannot be told") for name in names()]}))
    second.write_text(json.dumps(outcome(names()[0], "refuted", "full")))
    writer.main([str(first), str(second)])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "STALE" not in text
    assert text.count("**refuted** | full |") == 1
    assert text.count("**cannot be told** | quick |") == len(names()) - 1
    second.write_text(json.dumps({"lessons": []}))
    with pytest.raises(SystemExit, match="no outcome of same-rate-three-fates, "):
        writer.main([str(second)])
