"""Rows of a batch and of a split: none twice, none left out, and weights that make the mean the whole's."""

import math

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError, TaskError
from ravine.trainer.distributed import ALONE, Processes
from ravine.trainer.portions import Portion, check_alike, evaluate


class One(Processes):
    """One of several processes, that hears what it is told to hear."""

    def __init__(self, rank, world, others=()):
        self.rank, self.world, self.strategy, self.sums, self._others = rank, world, "ddp", [], others

    def total(self, values):
        self.sums = list(values)
        return self.sums

    def gather(self, value):
        return [value, *self._others]


def test_weighed_portions_have_the_mean_of_the_batch():
    batch = torch.arange(9.0), torch.arange(9)
    portions = [Portion(One(rank, 4), 9) for rank in range(4)]
    parts = [portion.of(batch) for portion in portions]
    assert torch.equal(torch.cat([part[0] for part in parts]), batch[0])
    assert sum(portion.weight * part[0].mean().item() for portion, part in zip(portions, parts, strict=True)) / 4 == pytest.approx(4.0)


def test_alone_the_batch_is_the_portion():
    batch = (torch.arange(3),)
    portion = Portion(ALONE, 3, 3)
    assert portion.weight == 1.0
    assert portion.of(batch) is batch


def test_too_few_rows():
    Portion(One(0, 4), 4)
    with pytest.raises(InputError, match=r"batch_size=3 over 4 processes: must be at least 4, a row for each\. Use larger batches"):
        Portion(One(0, 4), 3)
    with pytest.raises(InputError, match=r"batch_size=7 over 4 processes in 2 pieces: must be at least 8"):
        Portion(One(0, 4), 7, 2)


@pytest.mark.parametrize(("rows", "world"), [(2500, 2), (5, 4), (3, 4), (4096, 2)])
def test_every_row_is_evaluated_once_and_all_are_asked_equally_often(rows, world):
    x, asked, seen, sums = torch.arange(float(rows)), [], [], 0.0
    for rank in range(world):
        calls = []

        def measure(piece, calls=calls):
            calls.append(piece)
            return {"loss": piece.mean()}

        own = One(rank, world)
        evaluate(measure, x, own)
        asked.append(len(calls))
        sums += own.sums[0]
        start, stop = own.part(rows)
        seen += torch.cat(calls).tolist() if stop > start else []
        assert stop > start or calls[0].tolist() == [0.0]
    assert len(set(asked)) == 1
    assert seen == x.tolist()
    assert sums / rows == pytest.approx(x.mean().item())


def test_a_borrowed_row_does_not_count_even_if_it_is_no_number():
    own = One(0, 4)
    assert own.part(3) == (0, 0)
    evaluate(lambda piece: {"loss": piece.mean()}, torch.tensor([math.nan, 1.0, 2.0]), own)
    assert own.sums == [0.0]


def test_alone_means_are_weighted_by_rows():
    assert evaluate(lambda piece: {"loss": piece.mean()}, torch.arange(1500.0), ALONE) == {"loss": pytest.approx(749.5)}


def test_other_weights_and_other_data_are_named():
    model, batch = nn.Linear(2, 1), torch.ones(3, 2)
    mine = One(0, 2)
    check_alike(model, batch, ALONE)
    seen = []
    mine.gather = lambda value: seen.append(value) or [value, value]
    check_alike(model, batch, mine)
    (weights, rows), *_ = seen
    with pytest.raises(TaskError, match=r"initial weights of process 1 are not those of process 0: all processes must train the same"):
        check_alike(model, batch, One(0, 2, [("other", rows)]))
    with pytest.raises(TaskError, match=r"first rows of process 1 are not those of process 0"):
        check_alike(model, batch, One(0, 2, [(weights, "other")]))
