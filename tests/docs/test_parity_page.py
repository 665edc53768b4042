"""docs/parity.md has the rows and oracles of the tables, and no number above what the tests allow."""

import importlib.util
import re
from pathlib import Path

import pytest

from cases import CASES
from oracles import TOLERANCE, WHOLE_TOLERANCE

DOCS = Path(__file__).parents[2] / "docs"
NUMBER = re.compile(r"(?<=\| )(0|\de[+-]\d\d)(?= \|)")


def load_writer():
    spec = importlib.util.spec_from_file_location("write_parity", DOCS / "write_parity.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def writer():
    return load_writer()


def text():
    return (DOCS / "parity.md").read_text(encoding="utf-8")


def test_the_page_equals_the_tables_but_for_the_numbers(writer):
    # Twice, for neighbouring cells share a bar.
    assert NUMBER.sub(writer.MASK, NUMBER.sub(writer.MASK, text())) == writer.page(writer.masked), "run `make parity-page`"


def test_every_number_is_below_its_tolerance(writer):
    cells = [row.cells[column] for row in (*writer.rule_rows(), *writer.wrapper_rows()) for column in writer.COLUMNS if column in row.cells]
    numbers = [float(number) for number in NUMBER.findall(text())]
    assert len(numbers) == len(cells) > 150
    assert all(number <= allowed for number, (_, allowed) in zip(numbers, cells, strict=True))
    assert {allowed for _, allowed in cells} == {TOLERANCE, WHOLE_TOLERANCE, 1e-6}


def test_a_number_is_what_is_measured_or_an_error(writer):
    assert writer.measured((lambda: 3.14e-16, 1e-12)) == "3e-16"
    assert writer.measured((lambda: 0.0, 1e-12)) == "0"
    with pytest.raises(AssertionError, match="above the tolerance"):
        writer.measured((lambda: 2e-12, 1e-12))


def test_every_rule_has_two_oracles_on_the_page(writer):
    columns = {}
    for case in CASES:
        columns.setdefault(case.rule.name, set()).update(writer.cells_of(case))
    columns["muon"].add("torch")
    assert {name: found for name, found in columns.items() if len(found) < 2} == {}


def test_cells_fit_a_table(writer):
    rows = [*writer.rule_rows(), *writer.wrapper_rows()]
    assert not any("|" in row.settings + row.note for row in rows)
    assert not any("|" in here + elsewhere for here, elsewhere in writer.DIFFERENCES.values())
