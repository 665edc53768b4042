"""Which lanes stay stacked; what becomes of their bits is held in tests/lanes/test_compaction.py."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lane_models import fleet, lanes
from ravine.fleet import compaction
from ravine.fleet.compaction import FRACTIONS, Compactor, Proof, pick, pick_by_rule, quarters, shape_of, sizes

ENTRIES = [("adam", {})] * 8 + [("momentum", {})] * 4 + [("sgd", {})] * 4


@pytest.fixture
def live():
    return fleet("linear", torch.float32)._tile(lanes(*ENTRIES), "stacked", 9)._live


def end(live, *positions):
    for position in positions:
        live.freeze(position)
    return live


@given(st.integers(1, 600))
def test_sizes_are_few_smaller_and_whole_vectors_where_the_tile_is_large(number):
    found = sizes(number)
    assert len(found) <= len(FRACTIONS)
    assert all(0 < size < number for size in found)
    if number >= 16:
        assert all(size % 8 == 0 for size in found)


def test_those_alive_are_kept_and_filled_up_with_lanes_of_rules_at_work(live):
    end(live, *range(1, 8), *range(8, 16))
    assert pick(live, 4) == [0, 1, 2, 3]
    end(live, 0)
    assert pick(live, 2) == [0, 1]


def test_lanes_of_each_rule_are_counted_out(live):
    adam, momentum, sgd = (group.rule.key for group in live.groups)
    end(live, 0, 1, 2, 9, 12, 13, 14, 15)
    assert pick_by_rule(live, {adam: 6, momentum: 4}) == [0, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert pick_by_rule(live, {adam: 4, momentum: 4}) is None, "five lanes of the first are alive"
    assert pick_by_rule(live, {adam: 6, momentum: 5}) is None, "there are but four"
    assert pick_by_rule(live, {adam: 6, momentum: 4, "another": 1}) is None
    assert quarters(live, {adam: 8, momentum: 4, sgd: 4}) == {adam: 6, momentum: 3}


def test_nothing_shrinks_before_a_smaller_size_holds_all(live):
    compactor = Compactor(live.groups)
    end(live, *range(7))
    assert compactor.plain(live) is None
    end(live, 7)
    assert len(compactor.plain(live)) == 8


def test_a_refused_size_is_never_proposed_again(live):
    compactor = Compactor(live.groups)
    end(live, *range(12))
    assert len(compactor.plain(live)) == 8
    live.positions = tuple(range(8))
    compactor.refuse(live)
    live.positions = tuple(range(16))
    assert compactor.plain(live) is None


def test_a_new_compiled_shape_must_pay_and_a_known_one_need_not(live):
    compactor, whole = Compactor(live.groups), shape_of(live.groups)
    adam, momentum, _ = (rule for rule, _ in whole)
    end(live, *range(2, 8), *range(9, 16))
    enough = 2 * compaction.COMPILE_SECONDS
    assert compactor.compiled(live, [whole], 1e-3, 100) is None
    assert compactor.compiled(live, [whole], 1.0, int(enough)) == [0, 1, 8]
    assert compactor.compiled(live, [whole, ((adam, 4), (momentum, 1))], 1e-3, 100) == [0, 1, 2, 3, 8]
    known = [((adam, number), (momentum, 3)) for number in (3, 4, 5, 6)]
    assert compactor.compiled(live, [whole, *known], 1.0, 10**6) == [0, 1, 2, 8, 9, 10], "four shapes are enough"


def test_a_proof_is_complete_after_enough_comparisons_without_one_that_fails():
    proof = Proof()
    proof.add(True, 5)
    assert (proof.missing, proof.is_complete) == (3, False)
    proof.add(True, 3)
    assert proof.is_complete
    proof.add(False)
    assert not proof.is_complete
