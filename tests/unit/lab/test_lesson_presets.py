"""Presets are settings that their pages take."""

import pytest

from ravine.lab.doctor_api import DoctorSettings
from ravine.lab.figure_settings import FIGURES
from ravine.lab.lesson_presets import PRESETS
from ravine.lessons import names

READERS = {**FIGURES, "doctor": DoctorSettings}
RACE_KEYS = {"v", "t", "f", "o", "r", "sc", "s", "w", "b", "n", "y", "p"}
EVERY = [(name, place) for name, presets in PRESETS.items() for place in range(len(presets))]


def test_presets_are_of_lessons():
    assert PRESETS.keys() <= set(names())


@pytest.mark.parametrize(("name", "place"), EVERY)
def test_its_page_takes_it(name, place):
    page, query = PRESETS[name][place]
    if page == "race":
        assert query.keys() <= RACE_KEYS
        assert query["v"] == "1"
    else:
        assert READERS[page].read(query).commands()
