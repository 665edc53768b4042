"""Paths are those of the drop-in optimisers, step by step, whatever else runs beside them."""

import numpy as np
import pytest
import torch

from ravine import optim
from ravine.fleet import Lane
from ravine.rules import registry
from ravine.schedules import Constant
from ravine.surfaces.functions import create
from ravine.surfaces.paths import BLOCK, Walk

STEPS = 2 * BLOCK + 3
ROSENBROCK = create("rosenbrock")
RATES = {
    "sgd": 1e-3,
    "momentum": 1e-3,
    "nesterov": 1e-3,
    "adam": 0.1,
    "adamw": 0.1,
    "rmsprop": 0.01,
    "lion": 0.01,
    "adagrad": 0.3,
    "adafactor": 0.1,
    "lamb": 0.05,
    "lars": 3.0,
    "muon": 0.03,
    "shampoo": 0.1,
    "soap": 0.05,
    "prodigy": 1.0,
    "adam+sam": 0.05,
    "adam+lookahead": 0.1,
    "sgd+clip": 0.01,
}


def lane(name, rate, seed=0):
    return Lane(0, *registry.resolve(name, {"lr": rate}), Constant(), seed)


@pytest.fixture(scope="module")
def together():
    """All of them at once, beside lanes that come to no number."""
    lanes = [lane(name, rate) for name, rate in RATES.items()]
    lost = [lane("sgd", 10.0), lane("momentum", 1.0)]
    found = Walk(ROSENBROCK, STEPS).positions([*lanes, *lost])
    return dict(zip(RATES, found.swapaxes(0, 1), strict=False)), found[:, -2:]


def by_hand(name, rate, surface, steps, noise=None):
    place = torch.nn.Parameter(torch.tensor(surface.start, dtype=torch.float64))
    # Two numbers are no matrix: Muon takes them as AdamW does.
    kinds = {"elementwise": True} if name == "muon" else {}
    optimizer = optim.create(name, [{"params": [place], **kinds}], lr=rate)
    found = [place.detach().clone()]

    def closure():
        optimizer.zero_grad()
        loss = surface.formula(*place.unbind())
        loss.backward()
        if noise is not None:
            place.grad += noise[len(found) - 1]
        return loss

    for _ in range(steps):
        if "sam" in name:
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        found.append(place.detach().clone())
    return torch.stack(found).numpy()


@pytest.mark.parametrize("name", RATES)
def test_a_path_is_the_drop_in_optimisers(name, together):
    paths, _ = together
    np.testing.assert_allclose(paths[name], by_hand(name, RATES[name], ROSENBROCK, STEPS), rtol=1e-9, atol=1e-11)


def test_lanes_that_come_to_no_number_end_and_harm_nobody(together):
    _, lost = together
    assert np.isnan(lost[-1]).all()
    assert np.isfinite(lost[0]).all()
    assert (np.diff(np.isfinite(lost).all(axis=2).astype(int), axis=0) <= 0).all()


def test_a_lane_alone_takes_the_same_path(together):
    paths, _ = together
    alone = Walk(ROSENBROCK, STEPS).positions([lane("adam", RATES["adam"])])
    np.testing.assert_array_equal(alone[:, 0], paths["adam"])


def test_paths_of_averaging_rules_are_those_of_the_weights_one_would_keep():
    place = torch.nn.Parameter(torch.tensor(ROSENBROCK.start, dtype=torch.float64))
    optimizer = optim.create("schedule_free_sgd", [place], lr=1e-3)
    kept = []
    for _ in range(20):
        optimizer.train()
        optimizer.zero_grad()
        ROSENBROCK.formula(*place.unbind()).backward()
        optimizer.step()
        optimizer.eval()
        kept.append(place.detach().clone())
    found = Walk(ROSENBROCK, 20).positions([lane("schedule_free_sgd", 1e-3)])
    np.testing.assert_allclose(found[1:, 0], torch.stack(kept).numpy(), rtol=1e-9)


def test_noise_is_the_same_for_all_of_a_seed_and_another_for_each():
    walk = Walk(create("bowl"), 40, noise=0.5)
    lanes = [lane("sgd", 0.1, seed) for seed in (0, 1)] + [lane("momentum", 0.1, 0)]
    found = walk.positions(lanes)
    # Of plain descent on the bowl the noise can be told from the path: p' = p - lr (p + noise).
    noise = [-(found[1:, at] - found[:-1, at]) / 0.1 - found[:-1, at] for at in (0, 1)]
    assert noise[0].std() == pytest.approx(0.5, rel=0.25)
    assert not np.allclose(noise[0], noise[1])
    np.testing.assert_allclose(found[:, 2], by_hand("momentum", 0.1, create("bowl"), 40, torch.from_numpy(noise[0])), atol=1e-9)
    np.testing.assert_array_equal(walk.positions(lanes[:1])[:, 0], found[:, 0])


def test_every_optimiser_that_needs_no_labels_runs():
    names = [name for name in registry.names() if name != "sophia_g"]
    found = Walk(create("bowl"), 3).positions([lane(name, 1e-3) for name in names])
    assert np.isfinite(found).all()
    moved = np.abs(found[-1] - found[0]).max(axis=1)
    assert {name for name, way in zip(names, moved, strict=True) if way == 0} == set()
