import pytest

from ravine.lab.settings import PRESET
from ravine.lab.sweeps import sweep

SETTING = {**PRESET, "width": 4, "steps": 24, "task_options": {"target": "sine"}}


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def found(told):
    return sweep(SETTING, ["sgd", "adam"], tell=told.append)


def test_it_tells_how_far_it_is(found, told):
    shares = [int(words.partition("%")[0]) for words in told]
    assert shares == sorted(shares)
    assert len(shares) > 2
    assert shares[-1] > 90
    assert told[-1].endswith("% of 24 short trainings")


def test_every_rate_of_the_grid_has_an_outcome(found):
    for swept in found.values():
        assert len(swept["rates"]) == len(swept["losses"]) == 12
        assert swept["rates"] == sorted(swept["rates"])


def test_the_best_rate_has_the_lowest_loss_of_those_that_ran(found):
    sgd = found["sgd"]
    ran = {rate: loss for rate, loss in zip(sgd["rates"], sgd["losses"], strict=True) if rate in sgd["ran"]}
    assert ran[sgd["tuned"]] <= 1.02 * min(ran.values())


def test_it_diverges_above_the_best_and_not_below(found):
    sgd = found["sgd"]
    assert sgd["diverges_above"] > sgd["tuned"]
    assert sgd["diverges_above"] not in sgd["ran"]
    assert max(sgd["ran"]) < sgd["rates"][-1]


def test_a_sweep_is_a_function_of_its_setting(found):
    assert sweep({**SETTING, "lrs": 3.0}, ["adam"])["adam"]["losses"] == pytest.approx(found["adam"]["losses"], rel=1e-4)
