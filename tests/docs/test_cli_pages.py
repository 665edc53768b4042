"""docs/cli.md is what the program prints."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def load_writer():
    spec = importlib.util.spec_from_file_location("write_cli", DOCS / "write_cli.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_equals_the_program():
    written = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert written == load_writer().page(), "run `make cli-pages`"


def test_the_page_has_every_command_however_deep():
    page = load_writer().page()
    for name in ("ravine race", "ravine show", "ravine data get"):
        assert f"## `{name}`\n" in page


def test_the_page_does_not_depend_on_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    written = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert written == load_writer().page()
