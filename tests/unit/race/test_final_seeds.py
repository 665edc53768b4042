"""How many fresh seeds the final may take."""

import pytest

from ravine.base.errors import InputError, PlanError
from ravine.race.final_seeds import final_seeds
from ravine.race.plan import make_plan
from ravine.tasks import load


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((None, None, None), (5, None)),
        ((8, None, None), (8, None)),
        ((None, 4, None), (20, 4)),
        ((None, None, 12), (12, 3)),
        ((None, None, 3), (3, 2)),
        ((None, 2, 30), (30, 2)),
        ((None, 30, None), (31, 30)),
    ],
)
def test_what_was_asked_for(given, found):
    assert final_seeds(*given) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, None, None), "seeds=0"),
        ((5, 3, None), r"--seeds 5 fixes how many seeds are run, and --min-seeds 3 leaves it open: give one or the other\."),
        ((5, 3, 9), "--min-seeds 3 and --max-seeds 9 leave it open"),
        ((None, 1, None), "--min-seeds=1"),
        ((None, None, 2), "--max-seeds=2"),
        ((None, 8, 8), r"--min-seeds 8 must be below --max-seeds 8: give more at most, or --seeds 8 for that very number\."),
        ((None, 9, 8), "must be below"),
    ],
)
def test_what_cannot_be(given, message):
    with pytest.raises(InputError, match=message):
        final_seeds(*given)


def test_a_shared_rate_recommends_nothing_so_nothing_can_be_decided_early():
    with pytest.raises(InputError, match=r"--min-seeds 3 ends a race once .* --shared-lr 0\.1 recommends nothing: use --seeds K\."):
        final_seeds(None, 3, None, shared_lr=0.1)
    assert final_seeds(4, None, None, shared_lr=0.1) == (4, None)


def test_a_plan_says_it_beside_its_other_problems():
    with pytest.raises(PlanError) as caught:
        make_plan(load("line"), optimizers=["adma"], seeds=3, min_seeds=2)
    assert len(caught.value.problems) == 2
    assert "--seeds 3 fixes" in caught.value.problems[1]


def test_looks_of_a_plan():
    task = load("line")
    fixed, waves = make_plan(task, steps=2, seeds=4), make_plan(task, steps=2, min_seeds=2, max_seeds=5)
    assert [(look.seeds, look.alpha) for look in fixed.looks] == [(4, 0.025)]
    assert [look.seeds for look in waves.looks] == [2, 3, 5]
    assert (waves.seeds, waves.min_seeds, fixed.min_seeds) == (5, 2, None)
