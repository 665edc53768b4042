"""The table in docs/optimisers.md is what the registry says, and the page names every class and option."""

import importlib.util
from pathlib import Path

from ravine import optim
from ravine.optim._drivers import DRIVERS

DOCS = Path(__file__).parents[2] / "docs"


def load_writer():
    spec = importlib.util.spec_from_file_location("write_optimisers", DOCS / "write_optimisers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text():
    return (DOCS / "optimisers.md").read_text(encoding="utf-8")


def test_the_table_equals_the_registry():
    writer = load_writer()
    assert writer.BEGIN in text()
    assert text() == writer.page(), "run `make optimisers-table`"


def test_every_public_name_is_on_the_page():
    assert [name for name in optim.__all__ if f"`{name}" not in text() and f"{name}(" not in text() and f".{name}" not in text()] == []


def test_every_driver_is_on_the_page():
    assert [name for name in DRIVERS if f'"{name}"' not in text()] == []
