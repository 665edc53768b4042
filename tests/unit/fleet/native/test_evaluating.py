"""Loss and metrics of one lane in native code: torch's numbers, for every row, and no build where it cannot pay."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lane_models import lanes
from ravine.fleet import Fleet, native_tile
from ravine.fleet.native import EvaluationFunction, Unsupported, compiler, evaluation, rows_at_a_time, scratch
from ravine.fleet.tile_run import quiet_threads
from ravine.tasks import Task

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C++ compiler was found")


def accuracy(output, target):
    return (output.argmax(-1) == target).float().mean()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 40), nn.BatchNorm1d(40), nn.Tanh(), nn.Dropout(0.5), nn.Linear(40, 4))

    def forward(self, x):
        return self.layers(x)


def task(rows=600, loss=F.cross_entropy, metric=accuracy):
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(rows, 6, generator=generator), torch.randint(0, 4, (rows,), generator=generator)
    return Task("net", Net, data, data, loss, batch_size=8, metrics={"accuracy": metric})


ENTRIES = (("adam", {"lr": 1e-2}, 0), ("sgd", {"lr": 0.1}, 0), ("lion", {"lr": 1e-3}, 0))


def trained(rows=600, **settings):
    fleet = Fleet(task(rows, **settings))
    with quiet_threads():
        tile = fleet._tile(sorted(lanes(*ENTRIES), key=lambda lane: lane.rule.key), "native", 100)
        tile.run(10)
    return fleet, tile


@pytest.mark.parametrize("rows", [600, 601], ids=["equal pieces", "a remainder"])
def test_it_equals_torch(rows, monkeypatch):
    fleet, tile = trained(rows)
    monkeypatch.setattr(native_tile, "WORTH", 0)
    with quiet_threads():
        found = tile.metrics(fleet.train, 100)
        expected = tile._torch_metrics(fleet.train, 100, np.arange(3))
    assert tile._native_metrics(fleet.train, np.arange(3)) is not None
    for name, column in expected.items():
        assert found[name] == pytest.approx(column, rel=1e-6)
    assert len(set(found["loss"])) == 3


def test_a_lane_that_has_ended_has_no_metrics(monkeypatch):
    fleet, tile = trained()
    monkeypatch.setattr(native_tile, "WORTH", 0)
    tile.freeze(1)
    with quiet_threads():
        assert np.isnan(tile.metrics(fleet.train, 100)["loss"]).tolist() == [False, True, False]


def test_little_is_evaluated_without_a_build():
    fleet, tile = trained(16)
    assert tile._native_metrics(fleet.train, np.arange(3)) is None


def test_a_metric_that_it_cannot_express_is_evaluated_by_torch(monkeypatch):
    def median(output, target):
        return output.median()

    fleet, tile = trained(metric=median)
    monkeypatch.setattr(native_tile, "WORTH", 0)
    with quiet_threads():
        assert tile._native_metrics(fleet.train, np.arange(3)) is None
        assert np.isfinite(tile.metrics(fleet.train, 100)["accuracy"]).all()


def test_numbers_that_are_not_torch_s_are_refused(monkeypatch):
    fleet = Fleet(task())
    piece = fleet.train
    function = EvaluationFunction(fleet.model(0), piece)
    function.check(fleet.model(0), piece)
    right = function.evaluate
    monkeypatch.setattr(function, "evaluate", lambda *inputs: {name: value + 0.01 for name, value in right(*inputs).items()})
    with pytest.raises(Unsupported, match="other metrics"):
        function.check(fleet.model(0), piece)


def test_a_function_is_built_once_for_each_length():
    fleet = Fleet(task())
    first = evaluation(fleet.functions, fleet.train)
    assert evaluation(fleet.functions, fleet.train) is first
    assert evaluation(fleet.functions, tuple(leaf[:5] for leaf in fleet.train)) is not first


def test_its_scratch_memory_is_all_that_it_writes():
    fleet = Fleet(task())
    function = EvaluationFunction(fleet.model(0), fleet.train)
    memory, _ = scratch(function.scratch_bytes)
    assert memory.nbytes >= function.scratch_bytes


@pytest.mark.parametrize(("total", "rows"), [(10_000, 500), (297, 297), (512, 512), (1024, 512), (601, 512), (1, 1)])
def test_a_split_falls_into_equal_pieces_where_it_can(total, rows):
    assert rows_at_a_time(total) == rows
