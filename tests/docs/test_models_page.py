"""docs/models.md is what the conformance table says."""

import importlib.util
from pathlib import Path

from conformance import TABLE

DOCS = Path(__file__).parents[2] / "docs"


def load_writer():
    spec = importlib.util.spec_from_file_location("write_models", DOCS / "write_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_equals_the_table():
    assert (DOCS / "models.md").read_text(encoding="utf-8") == load_writer().page(), "run `make models-page`"


def test_names_are_unique_and_fit_a_table():
    names = [row.name for rows in TABLE.values() for row in rows]
    assert len(names) == len(set(names)) > 100
    assert not any("|" in name for name in names)


def test_what_a_mode_does_not_hold_has_a_reason():
    assert all(len(reason) > 20 for rows in TABLE.values() for row in rows for reason in row.why_not.values())
