"""`ravine.studies`: races that differ in their seed alone."""

from pathlib import Path

import pytest

import ravine
from ravine._studies import study_path
from ravine.base.errors import InputError

QUICK = {"optimizers": ["sgd", "adam"], "steps": 4, "lrs": [0.01, 0.1], "seeds": 2}


def test_records_are_numbered_from_the_first():
    assert [str(study_path(Path("x/d.ravine"), number)) for number in (1, 2, 10)] == ["x/d.ravine", "x/d-2.ravine", "x/d-10.ravine"]


def test_a_study_is_the_race_of_its_seed(tmp_path):
    found = ravine.studies("line", 2, race_seed=3, out=tmp_path / "d.ravine", **QUICK)
    assert [result.path.name for result in found.results] == ["d.ravine", "d-2.ravine"]
    assert found.summary()["studies"][1]["race_seed"] == 4
    assert "recommended" in found.table()
    alone = ravine.race("line", race_seed=4, out=tmp_path / "alone.ravine", **QUICK)
    finals = [[entrant.final.mean for entrant in result.ranking] for result in (found.results[1], alone)]
    assert finals[0] == pytest.approx(finals[1], rel=1e-5)
    assert finals[0] != pytest.approx([entrant.final.mean for entrant in found.results[0].ranking], rel=1e-5)


def test_finished_studies_are_kept_and_others_go_on(tmp_path):
    first = ravine.race("line", out=tmp_path / "d.ravine", **QUICK)
    before = first.path.read_bytes()
    found = ravine.studies("line", 2, out=tmp_path / "d.ravine", resume=True, **QUICK)
    assert first.path.read_bytes() == before
    assert len(found.summary()["studies"]) == 2


def test_one_study_is_a_race():
    with pytest.raises(InputError, match=r"studies=1: must be a whole number, at least 2\. One study is a race: ravine\.race\."):
        ravine.studies("line", 1)


def test_an_option_of_no_race_is_an_error():
    with pytest.raises(TypeError, match="stepz"):
        ravine.studies("line", 2, stepz=3)
