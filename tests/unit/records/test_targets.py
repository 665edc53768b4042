import math

import numpy as np
import pytest

from ravine.records.targets import find_targets, regret

FINALS = {"sgd": np.array([0.5, 0.6, 0.7]), "adamw": np.array([0.2, 0.3, 0.1])}


def test_targets_lie_on_the_way_from_the_reference_back_to_the_start():
    found = find_targets(FINALS, initial=2.2, reference="adamw", own=None)
    assert (found.tight, found.medium, found.loose) == pytest.approx((0.2, 0.4, 0.8))
    assert (found.used, found.name, found.reference, found.initial) == (found.medium, "medium", "adamw", 2.2)


def test_the_users_own_target_is_used_and_the_others_still_stand():
    found = find_targets(FINALS, initial=2.2, reference="sgd", own=0.05)
    assert (found.used, found.name) == (0.05, "own")
    assert found.tight == 0.6


@pytest.mark.parametrize("finals", [[math.inf, math.inf, 0.1], [3.0, 3.0, 3.0]])
def test_a_reference_that_failed_is_replaced_by_the_best(finals):
    found = find_targets({**FINALS, "adamw": np.array(finals)}, initial=2.2, reference="adamw", own=None)
    assert (found.reference, found.tight) == ("sgd", 0.6)


@pytest.mark.parametrize("own", [None, 0.3])
def test_where_nothing_improved_there_is_no_target_but_the_users(own):
    found = find_targets({"sgd": np.array([math.inf, 4.0])}, initial=2.2, reference="sgd", own=own)
    assert (found.tight, found.medium, found.loose, found.reference) == (None, None, None, None)
    assert found.used == own


def test_an_unknown_start_gives_no_target():
    found = find_targets(FINALS, initial=math.nan, reference="sgd", own=None)
    assert (found.used, found.initial) == (None, None)


def test_turning_changes_the_sign_of_values_only():
    found = find_targets(FINALS, initial=2.2, reference="adamw", own=None).times(-1.0)
    assert found.as_json() == pytest.approx(
        {"tight": -0.2, "medium": -0.4, "loose": -0.8, "used": -0.4, "name": "medium", "reference": "adamw", "initial": -2.2}
    )


def test_regret_is_the_share_of_the_way_back():
    np.testing.assert_allclose(regret(np.array([1.0, 2.0, 3.0, 5.0]), best=1.0, initial=3.0), [0, 0.5, 1, 2])
    assert regret(np.array([1.0, 1.1]), best=1.0, initial=1.0).tolist() == [0, math.inf]
