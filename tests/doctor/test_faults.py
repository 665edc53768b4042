"""Planted faults: each is found among the first two findings, and its healthy twin has nothing above information."""

import warnings
from pathlib import Path

import pytest

from doctor.faults.fault import Fault, severe
from doctor.faults.table import FAULTS
from ravine.records.findings import Finding


def rows(is_quick):
    """Of the table; those that take long only with --slow."""
    return [pytest.param(fault, id=fault.name, marks=() if is_quick(fault) else pytest.mark.slow) for fault in FAULTS]


@pytest.fixture(autouse=True)
def _as_in_a_script():
    """A fault may well be warned of by torch, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("fault", rows(lambda fault: fault.is_fast))
def test_a_planted_fault_is_found(fault):
    found = fault.findings(is_broken=True)
    assert fault.is_found(found), "\n".join(map(str, found))


@pytest.mark.parametrize("fault", rows(lambda fault: fault.is_fast and fault.form == "loop"))
def test_a_healthy_twin_is_left_alone(fault):
    assert [str(finding) for finding in severe(fault.findings(is_broken=False))] == []


def test_the_table_has_forty_faults_of_both_forms_and_each_once():
    assert len(FAULTS) >= 40
    assert len({fault.name for fault in FAULTS}) == len({fault.made for fault in FAULTS}) == len(FAULTS)
    assert {fault.form for fault in FAULTS} == {"task", "loop"}


def test_the_docs_show_every_fault():
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert [fault.name for fault in FAULTS if f"| {fault.name} | {fault.form} |" not in page] == []
    assert f"{len(FAULTS)} of {len(FAULTS)} faults found" in page


def finding(title):
    return Finding("warning", "loading", title, "", "", "", "", "")


@pytest.mark.parametrize(
    ("titles", "rank", "is_found"), [("xab", 1, True), ("axb", 2, True), ("abx", 3, False), ("ab", None, False), ("", None, False)]
)
def test_a_fault_is_found_among_the_first_two(titles, rank, is_found):
    fault = Fault("name", ("x", "y"), finding)
    found = [finding(title) for title in titles]
    assert (fault.rank(found), fault.is_found(found)) == (rank, is_found)
