"""Whatever holds data becomes the same trees of tensors, or one clear sentence."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, Subset, SubsetRandomSampler, TensorDataset

from ravine.base.errors import DataError
from ravine.tasks.splits import Splits, loader_batch_size, materialise, rows, split_validation, take

X, Y = torch.arange(12.0).reshape(6, 2), torch.arange(6)


class Rows(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Stream(IterableDataset):
    def __iter__(self):
        return iter([1.0])


def double(samples):
    return tuple(2 * torch.stack(part) for part in zip(*samples, strict=True))


PAIRS = list(zip(X, Y, strict=True))


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        [X, Y],
        (X.numpy(), Y.numpy()),
        TensorDataset(X, Y),
        Rows(PAIRS),
        PAIRS,
        DataLoader(TensorDataset(X, Y), batch_size=4, shuffle=True, drop_last=True),
        DataLoader(Rows(PAIRS), batch_size=4),
        DataLoader(Subset(TensorDataset(X, Y), range(6)), batch_size=2),
        (X.clone().requires_grad_(), Y),
    ],
    ids=["tuple", "list", "arrays", "tensor-dataset", "dataset", "list-of-items", "loader", "loader-of-rows", "subset", "requires-grad"],
)
def test_every_kind_of_data_gives_the_same_tree(data):
    tree = materialise(data, "train")
    assert isinstance(tree, tuple)
    assert torch.equal(tree[0], X)
    assert torch.equal(tree[1], Y)
    assert not tree[0].requires_grad
    assert rows(tree) == 6


def test_a_loader_lends_its_collate_function():
    tree = materialise(DataLoader(TensorDataset(X, Y), batch_size=4, collate_fn=double), "train")
    assert torch.equal(tree[0], 2 * X)


def test_dictionaries_and_nested_tuples_stay_what_they_are():
    assert materialise({"x": X, "y": Y}, "train").keys() == {"x", "y"}
    items = [{"x": x, "y": int(y)} for x, y in PAIRS]
    assert torch.equal(materialise(Rows(items), "train")["y"], Y)
    tree = materialise(((X, X), Y), "train")
    assert isinstance(tree[0], tuple)
    assert torch.equal(materialise(X, "train"), X)


def test_random_augmentation_is_frozen_and_takes_nothing_from_the_callers_stream():
    class Noisy(Rows):
        def __getitem__(self, index):
            return torch.rand(3) + np.random.rand(), index  # noqa: NPY002 - users do

    before = torch.get_rng_state()
    first, second = (materialise(Noisy(range(5)), "train")[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "train is missing: give"),
        (Stream(), "train=Stream: must be tensors, a Dataset with len()"),
        (iter([1]), "must be tensors, a Dataset with len()"),
        (3, "train=int: must be"),
        ((), "train holds no tensors"),
        ([], "train holds no rows"),
        (Rows([]), "train holds no rows"),
        ((X[:0], Y[:0]), "train holds no rows"),
        ((X, Y[:5]), "train[0] has 6 rows, train[1] has 5 rows"),
        ((X, torch.tensor(3)), "train[1] is a single number"),
        ((X, "abc"), "train[1] is of type str: must be a tensor"),
        ({"x": X, "name": np.array(["a"] * 6)}, "train['name'] is of type array of <U1"),
        (
            Rows([(torch.zeros(2), 1), (torch.zeros(3), 1)]),
            "train: its items cannot be collated (stack expects each tensor to be equal size",
        ),
        (Rows({0: 1.0, 2: 1.0}), "train: reading item 1 raised KeyError: 1"),
        (DataLoader(TensorDataset(X, Y), sampler=SubsetRandomSampler([1, 2])), "the DataLoader's SubsetRandomSampler would be ignored"),
        (DataLoader(TensorDataset(X, Y), batch_size=None), "the DataLoader has no automatic batching"),
        (DataLoader(TensorDataset(X, Y), batch_sampler=[[0, 1]]), "the DataLoader has its own list"),
        (DataLoader(Stream()), "train=Stream: must be"),
    ],
)
def test_unusable_data_gets_one_sentence(data, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)) as caught:
        materialise(data, "train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "word"), [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")])
def test_non_finite_numbers_are_named_with_their_place(value, word):
    bad = X.clone()
    bad[4, 1] = value
    bad[5, 0] = value
    with pytest.raises(DataError, match=re.escape(f"validation[0][4, 1] is {word} (2 such of 12)")):
        materialise((bad, Y), "validation")


def test_the_batch_size_of_a_loader():
    assert loader_batch_size(DataLoader(TensorDataset(X), batch_size=3)) == 3
    assert loader_batch_size(DataLoader(TensorDataset(X), batch_sampler=BatchSampler(range(6), 5, drop_last=False))) == 5
    assert loader_batch_size(DataLoader(TensorDataset(X), batch_sampler=[[0]])) is None
    assert loader_batch_size((X, Y)) is None


@given(st.integers(2, 40), st.integers(0, 2**40))
def test_validation_is_cut_into_two_halves_that_share_no_row(count, seed):
    tree = (torch.arange(count), {"again": torch.arange(count) * 10})
    tune, rank = split_validation(tree, seed)
    assert rows(tune) - rows(rank) in (0, 1)
    assert sorted([*tune[0].tolist(), *rank[0].tolist()]) == list(range(count))
    assert torch.equal(tune[1]["again"], tune[0] * 10)
    assert torch.equal(split_validation(tree, seed)[0][0], tune[0])


def test_another_seed_cuts_elsewhere():
    tree = torch.arange(40)
    assert not torch.equal(split_validation(tree, 0)[0], split_validation(tree, 1)[0])


def test_one_row_cannot_be_cut():
    with pytest.raises(DataError, match="validation has 1 row"):
        split_validation(torch.zeros(1), 0)


def test_taken_rows_are_copies():
    taken = take((X, Y), torch.tensor([0, 1]))
    taken[0].fill_(99)
    assert X[0, 0] == 0


def test_sizes():
    assert Splits((X, Y), (X[:2], Y[:2])).sizes == {"train": 6, "validation": 2, "test": 0}
