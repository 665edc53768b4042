"""Batches as a function of the seed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ravine.fleet.data import BatchOrder, duplicate, gather, rewrap, size, slices, to_device


@given(rows=st.integers(2, 40), batch=st.integers(1, 12), seed=st.integers(0, 2**62))
def test_every_epoch_is_a_permutation_without_repeats(rows, batch, seed):
    if batch >= rows:
        assert BatchOrder(rows, batch, seed).is_full_batch
        return
    order, whole = BatchOrder(rows, batch, seed), rows // batch
    epochs = order.take(3 * whole).view(3, whole * batch)
    for epoch in epochs:
        assert len(set(epoch.tolist())) == whole * batch
        assert 0 <= int(epoch.min()) <= int(epoch.max()) < rows
    if rows == whole * batch:
        assert all(sorted(epoch.tolist()) == list(range(rows)) for epoch in epochs)


def test_the_incomplete_batch_is_left_out_and_differs_between_epochs():
    order = BatchOrder(10, 4, 1)
    left = [set(range(10)) - set(order.take(2).flatten().tolist()) for _ in range(5)]
    assert all(len(rows) == 2 for rows in left)
    assert len({frozenset(rows) for rows in left}) > 1


def test_epochs_are_shuffled_anew_and_seeds_differ():
    first, second = BatchOrder(12, 3, 1), BatchOrder(12, 3, 2)
    epoch = first.take(4)
    assert not torch.equal(epoch, first.take(4))
    assert not torch.equal(epoch, second.take(4))


@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_the_order_does_not_depend_on_how_it_is_taken(cuts):
    pieces, whole = BatchOrder(11, 3, 5), BatchOrder(11, 3, 5)
    assert torch.equal(torch.cat([pieces.take(cut) for cut in cuts]), whole.take(sum(cuts)))


def test_taking_batches_leaves_the_callers_generator_alone():
    before = torch.get_rng_state()
    BatchOrder(11, 3, 5).take(9)
    assert torch.equal(before, torch.get_rng_state())


def test_gather_reads_rows_of_every_leaf_for_one_and_for_many_lanes():
    tree = (torch.arange(10).view(5, 2), {"y": torch.arange(5.0)})
    one = gather(tree, torch.tensor([4, 0]))
    assert one[0].tolist() == [[8, 9], [0, 1]]
    assert one[1]["y"].tolist() == [4.0, 0.0]
    many = gather(tree, torch.tensor([[4, 0], [1, 1], [2, 3]]))
    assert many[0].shape == (3, 2, 2)
    assert many[1]["y"].tolist() == [[4.0, 0.0], [1.0, 1.0], [2.0, 3.0]]


def test_slices_cover_a_split_in_order():
    tree = {"x": torch.arange(7), "y": torch.arange(7) * 2}
    pieces = list(slices(tree, 3))
    assert [count for _, count in pieces] == [3, 3, 1]
    assert torch.cat([piece["y"] for piece, _ in pieces]).tolist() == list(range(0, 14, 2))
    assert size(tree) == 7


@pytest.mark.parametrize("copy", [False, True])
def test_slices_are_views_unless_copies_are_asked_for(copy):
    tree = (torch.arange(7),)
    next(slices(tree, 7, copy=copy))[0][0].zero_()
    assert (tree[0].sum() > 0) == copy


def test_duplicates_share_nothing_and_rewrapped_trees_share_their_tensors():
    tree = {"x": torch.arange(3)}
    second, third = duplicate(tree), rewrap(tree)
    assert second["x"].data_ptr() != tree["x"].data_ptr()
    assert third.pop("x") is tree["x"]
    assert torch.equal(second["x"], tree["x"])


def test_to_device_moves_every_leaf():
    tree = (torch.zeros(2), {"y": torch.zeros(2)})
    moved = to_device(tree, torch.device("meta"))
    assert {moved[0].device.type, moved[1]["y"].device.type} == {"meta"}


@pytest.mark.parametrize("steps", [0, 1, 5, 6, 17])
def test_skipped_batches_are_as_if_they_had_been_taken(steps):
    taken, skipped = (BatchOrder(22, 4, 3) for _ in range(2))
    if steps:
        taken.take(steps)
    skipped.skip(steps)
    assert torch.equal(taken.take(9), skipped.take(9))


def test_there_is_nothing_to_skip_in_a_full_batch():
    BatchOrder(4, 4, 3).skip(10**9)
