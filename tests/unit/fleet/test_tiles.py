"""What stacked and single tiles share."""

import numpy as np
import pytest
import torch

from lane_models import fleet, lanes
from ravine.fleet.tiles import pick, weighted_mean


def test_means_are_weighted_by_examples_in_float64():
    parts = [({"loss": torch.tensor([1.0, 4.0])}, 3), ({"loss": torch.tensor([5.0, 0.0])}, 1)]
    found = weighted_mean(parts)["loss"]
    assert found.tolist() == [2.0, 3.0]
    assert found.dtype == np.float64


def test_means_of_one_module_and_of_bfloat16_are_vectors():
    found = weighted_mean([({"loss": torch.tensor(1.5, dtype=torch.bfloat16)}, 2), ({"loss": torch.tensor(2.5, dtype=torch.bfloat16)}, 2)])
    assert found["loss"].tolist() == [2.0]


def test_a_lane_that_is_no_number_spoils_no_other_mean():
    parts = [({"loss": torch.tensor([float("nan"), 1.0])}, 1), ({"loss": torch.tensor([1.0, 3.0])}, 1)]
    found = weighted_mean(parts)["loss"]
    assert np.isnan(found[0])
    assert found[1] == 2.0


@pytest.mark.parametrize("mode", ["loop", "stacked"])
def test_evaluation_leaves_the_module_in_training_mode(mode):
    engine = fleet("cnn")
    tile = engine._tile(lanes(("sgd", {"lr": 0.1})), mode, 4)
    modes = []
    tile._module.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    tile.metrics(engine.task.data.validation, 100)
    tile.run(1)
    assert modes == [False, True]
    assert all(part.training for part in tile._module.modules())


def test_batches_of_one_seed_are_shared_and_of_several_are_stacked():
    engine = fleet("linear")
    one = engine._tile(lanes(("sgd", {}, 1), ("adam", {}, 1)), "stacked", 4)
    two = engine._tile(lanes(("sgd", {}, 1), ("sgd", {}, 2)), "stacked", 4)
    assert one.shares_batch
    assert not two.shares_batch
    shared, apart = next(iter(one._batches(1))), next(iter(two._batches(1)))
    assert shared[0].shape == (4, 6)
    assert apart[0].shape == (2, 4, 6)
    assert torch.equal(apart[0][0], shared[0]), "a seed's batches do not depend on its neighbours"
    assert not torch.equal(apart[0][1], shared[0])


@pytest.mark.parametrize("cuts", [(6,), (1, 2, 3), (1,) * 6])
def test_a_dropout_stream_depends_on_the_step_alone(cuts):
    reference = fleet("cnn")._tile(lanes(("sgd", {"lr": 0.1})), "loop", 6).run(6)[0]
    tile = fleet("cnn")._tile(lanes(("sgd", {"lr": 0.1})), "loop", 6)
    assert np.array_equal(np.concatenate([tile.run(cut)[0] for cut in cuts]), reference)
    assert tile.done == 6


@pytest.mark.parametrize("seeds", [(1, 1), (1, 2)])
def test_a_step_counted_on_the_device_picks_the_same_batch(seeds):
    tile = fleet("linear")._tile(lanes(*(("sgd", {}, seed) for seed in seeds)), "stacked", 4)
    rows = tile._rows(3)
    for step in range(3):
        counted, given = pick(tile._training, rows, torch.tensor([step])), pick(tile._training, rows, step)
        assert torch.equal(counted[0], given[0])
    assert not torch.equal(pick(tile._training, rows, 0)[0], given[0])
