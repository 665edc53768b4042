"""docs/power.md is what its simulation says: two of its numbers are simulated again."""

import importlib.util
import itertools
from pathlib import Path

import pytest

from simulated_races import share_and_seeds, share_told_apart

DOCS = Path(__file__).parents[2] / "docs"


def load_writer():
    spec = importlib.util.spec_from_file_location("write_power", DOCS / "write_power.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shares():
    """Seeds -> shares in percent, as the page shows them."""
    rows = [
        line.strip("| ").split(" | ")
        for line in (DOCS / "power.md").read_text(encoding="utf-8").splitlines()
        if line[:3].strip("| ").isdigit()
    ]
    return {int(seeds): [float(cell.removesuffix(" %")) for cell in cells] for seeds, *cells in rows}


def ended():
    """Share and mean seeds of races that end by themselves, by factor, as the page shows them."""
    rows = {line.split(" | ")[0]: line for line in (DOCS / "power.md").read_text(encoding="utf-8").splitlines()}
    told, used = (rows[name].strip("| ").split(" | ")[1:] for name in ("| told apart", "| seeds"))
    return [(float(share.removesuffix(" %")) / 100, float(seeds)) for share, seeds in zip(told, used, strict=True)]


def test_the_page_is_the_writers_but_for_the_numbers():
    writer = load_writer()
    found = {seeds: [share / 100 for share in row] for seeds, row in shares().items()}
    assert tuple(found) == writer.SEEDS
    assert (DOCS / "power.md").read_text(encoding="utf-8") == writer.page(found, ended()), "run `make power-page`"
    assert writer.IMAGE.is_file()


@pytest.mark.parametrize(("seeds", "factor"), [(5, 2.0), (3, 3.0)])
def test_a_number_of_the_page_is_simulated_again(seeds, factor):
    writer = load_writer()
    shown = shares()[seeds][writer.FACTORS.index(factor)]
    # The same races: one in a hundred may tip over by rounding.
    assert 100 * share_told_apart(seeds, factor, races=writer.RACES) == pytest.approx(shown, abs=1.5)


def test_races_that_end_by_themselves_are_simulated_again():
    writer = load_writer()
    share, seeds = ended()[writer.FACTORS.index(3.0)]
    again = share_and_seeds(writer.LEAST, writer.MOST, 3.0, races=writer.EARLY_RACES)
    assert again == (pytest.approx(share, abs=0.015), pytest.approx(seeds, abs=0.15))


def test_more_seeds_and_larger_differences_are_found_more_often():
    rows = list(shares().values())
    assert all(low <= high + 5 for few, many in itertools.pairwise(rows) for low, high in zip(few, many, strict=True))
    assert all(low <= high + 5 for row in rows for low, high in itertools.pairwise(row))
    assert all(row[0] <= 2.5 for row in rows)
