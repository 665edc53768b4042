"""docs/golden.md is what the golden checks know; what they measure is held by tests/golden."""

import importlib.util
import re
from pathlib import Path

from golden import CHECKS

DOCS = Path(__file__).parents[2] / "docs"


def load_writer():
    spec = importlib.util.spec_from_file_location("write_golden", DOCS / "write_golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_equals_the_checks_but_for_what_is_measured():
    writer = load_writer()
    written = (DOCS / "golden.md").read_text(encoding="utf-8")
    rows = re.compile(r"^(\|[^|]+\|[^|]+\|)[^|]+\|", re.MULTILINE)
    masked = rows.sub(rf"\1 {writer.MASK} |", written)
    assert masked == rows.sub(rf"\1 {writer.MASK} |", writer.page(writer.masked)), "run `make golden-page`"


def test_what_the_page_shows_as_measured_holds():
    """The page's numbers are cut to the digits that are known, so half a unit of the last one is allowed on top."""
    cells = [row.split("|")[3] for row in (DOCS / "golden.md").read_text(encoding="utf-8").splitlines() if row.startswith("| ")]
    shown = [[float(part) for part in cell.split(",")] for cell in cells if "measured" not in cell]
    checks = [check for each in CHECKS.values() for check in each]
    assert len(shown) == len(checks)
    for values, check in zip(shown, checks, strict=True):
        assert len(values) == len(check.known)
        scale = 10.0 ** (1 - check.digits)
        assert all(abs(a - b) <= 0.02 * abs(b) + 2 * scale * abs(b) for a, b in zip(values, check.known, strict=True)), check.name


def test_cells_fit_a_table():
    assert not any("|" in check.name + check.source + check.because for each in CHECKS.values() for check in each)
