"""Directions: as long as the model's filters, and the plane of a trajectory."""

import math

import numpy as np
import pytest
import torch

from ravine.surfaces.directions import filter_normalised, principal

WEIGHTS = {
    "conv": torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(1)),
    "linear": torch.randn(4, 7, generator=torch.Generator().manual_seed(2)) * torch.tensor([[1.0], [10.0], [0.0], [1e-3]]),
    "bias": torch.randn(4, generator=torch.Generator().manual_seed(3)),
    "scale": torch.ones(()),
}


def norms(tensor):
    return torch.linalg.vector_norm(tensor.double().flatten(1), dim=1)


def test_every_filter_is_as_long_as_the_models():
    found = filter_normalised(WEIGHTS, 0, 0)
    for name in ("conv", "linear"):
        assert found[name].shape == WEIGHTS[name].shape
        assert found[name].dtype == torch.float32
        torch.testing.assert_close(norms(found[name]), norms(WEIGHTS[name]), rtol=1e-6, atol=0.0)


def test_what_has_no_filters_stays():
    found = filter_normalised(WEIGHTS, 0, 0)
    assert not found["bias"].any()
    assert not found["scale"].any()


def test_directions_depend_on_seed_and_number_alone():
    first, again = filter_normalised(WEIGHTS, 0, 0), filter_normalised(WEIGHTS, 0, 0)
    assert all(torch.equal(first[name], again[name]) for name in WEIGHTS)
    assert not torch.equal(first["conv"], filter_normalised(WEIGHTS, 0, 1)["conv"])
    assert not torch.equal(first["conv"], filter_normalised(WEIGHTS, 1, 0)["conv"])


def test_a_flat_trajectory_lies_in_its_plane():
    generator = torch.Generator().manual_seed(4)
    ways = [{"a": torch.randn(6, 2, generator=generator, dtype=torch.float64), "b": torch.randn(3, dtype=torch.float64)} for _ in range(2)]
    turns = [(3 * math.cos(t), math.sin(t)) for t in np.linspace(0, 2, 9)]
    snapshots = [{name: 1 + u * ways[0][name] + v * ways[1][name] for name in ways[0]} for u, v in turns]
    axes, path, explained = principal(snapshots)
    assert sum(explained) == pytest.approx(1.0)
    assert explained[0] > explained[1] > 0
    assert path[-1].tolist() == pytest.approx([0, 0])
    for snapshot, (u, v) in zip(snapshots, path, strict=True):
        for name, tensor in snapshot.items():
            torch.testing.assert_close(snapshots[-1][name] + u * axes[0][name] + v * axes[1][name], tensor)
    flat = torch.stack([torch.cat([tensor.flatten() for tensor in axis.values()]) for axis in axes])
    torch.testing.assert_close(flat @ flat.T, torch.eye(2, dtype=torch.float64))


def test_shares_are_those_of_a_singular_value_decomposition():
    moves = np.random.Generator(np.random.PCG64(5)).normal(size=(6, 20)) * np.linspace(1, 4, 20)
    moves[-1] = 0
    _, path, explained = principal([{"w": torch.from_numpy(row)} for row in moves])
    values = np.linalg.svd(moves, compute_uv=False) ** 2
    assert explained == pytest.approx(values[:2] / values.sum())
    assert (path[0] <= 0).all()


def test_a_training_that_stands_still_explains_nothing():
    _, path, explained = principal([{"w": torch.ones(3)}] * 3)
    assert explained == (0.0, 0.0)
    assert not path.any()
