import numpy as np
import pytest

import records_fixture
from ravine.records import open_record, resume
from ravine.report import read_facts
from ravine.report.rate_points import rate_values


def values_of(path):
    with open_record(path) as record:
        return rate_values(record, read_facts(record))


def test_rates_that_ended_and_rates_that_ended_early_are_told_apart(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("sgd", "wild"))
    with resume(tmp_path / "a.ravine") as writer:
        writer.mark_culled([0], 16, ["number 9 of 9"])
    found = values_of(tmp_path / "a.ravine")
    assert found.split == "validation"
    assert found.early.keys() == {("sgd", records_fixture.RATES[0])}
    assert {name for name, _ in found.finals} == {"sgd"}, "what diverged has no value"
    assert len(found.finals) == len(records_fixture.RATES) - 1
    assert np.isfinite(found.starts).all()


@pytest.mark.parametrize(("is_higher_better", "best"), [(False, min), (True, max)], ids=["lower", "higher"])
def test_of_several_settings_at_a_rate_the_best_counts(tmp_path, is_higher_better, best):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("sgd", "adam"), names={"sgd": "one", "adam": "one"})
    with resume(tmp_path / "a.ravine") as writer:
        writer.set_meta("task", {"name": "a", "rank_by": "loss", "higher_is_better": is_higher_better})
    found = values_of(tmp_path / "a.ravine")
    rate = records_fixture.RATES[0]
    assert found.finals["one", rate] == best(records_fixture.curve(name, rate, 0)[-1] for name in ("sgd", "adam"))


def test_at_a_shared_rate_the_middle_seed_stands_for_all(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("sgd",), seeds=3, shared_lr=0.01)
    found = values_of(tmp_path / "a.ravine")
    assert found.split == "test"
    assert found.finals["sgd", 0.01] == np.median([records_fixture.curve("sgd", 0.01, seed)[-1] for seed in (1, 2, 3)])
