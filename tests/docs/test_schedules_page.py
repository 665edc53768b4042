"""The table in docs/schedules.md is what the registry says, and the page names every public name."""

import importlib.util
from pathlib import Path

from ravine import schedules

DOCS = Path(__file__).parents[2] / "docs"
INNER = {"FEEDBACK", "KINDS", "REGISTRY", "RULES", "WARMUPS", "PlateauState", "Schedule", "Shape", "Chain", "multipliers", "settings_of"}
"""Public for programs over schedules, and told in their docstrings."""


def load_writer():
    spec = importlib.util.spec_from_file_location("write_schedules", DOCS / "write_schedules.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text():
    return (DOCS / "schedules.md").read_text(encoding="utf-8")


def test_the_table_equals_the_registry():
    writer = load_writer()
    assert writer.BEGIN in text()
    assert text() == writer.page(), "run `make schedules-page`"
    assert writer.PICTURE.exists()


def test_every_public_name_is_on_the_page():
    assert set(schedules.__all__) >= INNER
    assert [name for name in schedules.__all__ if name not in INNER and f"`{name}" not in text() and f".{name}" not in text()] == []
