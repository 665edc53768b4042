"""Lanes that have ended leave the stack: the rest keep every bit, and what has ended costs nothing."""

import itertools

import numpy as np
import pytest
import torch

from lane_models import HELD, Run, lanes
from lane_models import STEPS as STEPS_OF_A_RUN
from lane_models import shared_fleet as fleet
from ravine.fleet import Choice, compaction
from ravine.fleet.compaction import Compactor, sizes

STEPS = 40
ENTRIES = [("adam", {"lr": 0.002 * (k + 1)}) for k in range(8)] + [("momentum", {"lr": 0.01}), ("sgd", {"lr": 0.1})] * 4
SCRIPT = {0: (), 7: (1, 2, 9), 12: (3, 10, 11, 15), 13: (4,), 25: (5, 6, 12, 13), 36: (7, 8)}
"""Step -> positions that end there; 0 and 14 stay."""
STAY = (0, 14)


def carry_out(tile, script=None):
    """Losses, and metrics after every block, of a tile whose lanes are ended by a script."""
    script = SCRIPT if script is None else script
    losses, values, marks = [], [], [*script, STEPS]
    for mark, following in itertools.pairwise(marks):
        for position in script[mark]:
            tile.freeze(position)
        losses.append(tile.run(following - mark)[0])
        values.append(tile.metrics(tile._training.train, 9))
    return np.concatenate(losses), values


def tile_of(name, dtype=torch.float32, mode="stacked", seeds=(0,), engine=None):
    entries = [(*entry, seeds[index % len(seeds)]) for index, entry in enumerate(sorted(ENTRIES, key=lambda entry: entry[0]))]
    return (engine or fleet(name, dtype))._tile(lanes(*entries), mode, STEPS)


@pytest.fixture
def never(monkeypatch):
    """Switches compaction off."""

    def off():
        for method in ("plain", "compiled"):
            monkeypatch.setattr(Compactor, method, lambda *_: None)

    return off


def assert_same_rest(small, large, results, stay=STAY):
    (losses, values), (all_losses, all_values) = results
    keep = list(stay)
    assert np.array_equal(losses[:, keep], all_losses[:, keep])
    for ours, theirs in zip(values, all_values, strict=True):
        assert ours.keys() == theirs.keys()
        for name, column in ours.items():
            assert np.array_equal(column[keep], theirs[name][keep]), name
    left, right = small.save(), large.save()
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["one seed", "two seeds"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", HELD)
def test_the_rest_keep_every_bit_when_lanes_end(name, dtype, seeds, never):
    if name == "cnn" and len(seeds) > 1:
        pytest.skip("a model that draws random numbers never mixes seeds in a tile")
    small = tile_of(name, dtype, seeds=seeds)
    ours = carry_out(small)
    never()
    large = tile_of(name, dtype, seeds=seeds)
    theirs = carry_out(large)
    assert len(large._live.positions) == 16
    if name in ("mlp", "transformer"):
        assert len(small._live.positions) == 8, "whole vectors of a stack of 16 are 8 lanes"
    assert_same_rest(small, large, (ours, theirs))


def test_lanes_that_diverge_by_themselves_leave_the_stack_too(never):
    members = lanes(*[("sgd", {"lr": 1e30 if k % 4 else 0.05}) for k in range(32)])
    at, choice = (0, 3, 5, STEPS_OF_A_RUN), Choice("stacked", 32, "by hand")
    small = Run(fleet("mlp", torch.float32), members, choice, at=at)
    never()
    large = Run(fleet("mlp", torch.float32), members, choice, at=at)
    assert len(small.tiles[0][0]._live.positions) == 8
    assert sum(type(event).__name__ == "Diverged" for event in small.events) == 24
    for number in range(32):
        assert np.array_equal(small.losses[number], large.losses[number], equal_nan=True)
        assert all(torch.equal(a, b) for a, b in zip(small.everything(number), large.everything(number), strict=True))
    for number in range(0, 32, 4):
        assert small.values[number] == large.values[number]


def test_an_ended_lane_keeps_its_last_state_and_has_no_metrics():
    tile = tile_of("mlp")
    tile.run(3)
    before = {position: tile.parameters(position) for position in range(16)}
    tile.drop([lane.number for position, lane in enumerate(tile.lanes) if position not in STAY])
    losses, finite = tile.run(30)
    assert len(tile._live.positions) == 8
    values = tile.metrics(tile._training.train, 9)["loss"]
    for position in range(16):
        same = all(torch.equal(before[position][name], p) for name, p in tile.parameters(position).items())
        assert same == (position not in STAY)
        if position not in tile._live.positions:
            assert np.isnan(values[position])
            assert np.isnan(losses[-1, position])
        assert finite[-1, position] == (position in STAY)


def test_a_tile_without_a_lane_alive_does_nothing():
    tile = tile_of("mlp")
    tile.run(2)
    tile.drop(range(16))
    calls = []
    tile._live.functional = lambda *arguments: calls.append(arguments)
    losses, finite = tile.run(30)
    assert not calls
    assert np.isnan(losses).all()
    assert not finite.any()
    assert tile.done == 32


def test_a_smaller_stack_with_other_bits_never_takes_over(monkeypatch):
    """A recurrent cell's last elements are computed by another routine than the rest: 3 lanes of 12 differ from 12."""
    tile = fleet("gru", torch.float32)._tile(lanes(*[("adam", {"lr": 0.002 * (k + 1)}) for k in range(12)]), "stacked", 60)
    tried = []
    original = Compactor.refuse
    monkeypatch.setattr(Compactor, "refuse", lambda self, assembly: (tried.append(len(assembly.positions)), original(self, assembly)))
    tile.drop(range(3, 12))
    tile.run(60)
    assert tried
    assert len(set(tried)) == len(tried) <= len(sizes(12)), "a shape is tried once"


def test_evaluation_falls_back_to_the_whole_stack_where_bits_differ(monkeypatch):
    tile = tile_of("mlp")
    tile.drop(range(2, 16))
    tile.run(20)
    expected = tile.metrics(tile._training.train, 9)["loss"]
    tile._proofs.clear()
    monkeypatch.setattr("ravine.fleet.stacked_tile.same_bits", lambda *_: False)
    for _ in range(2):
        assert np.array_equal(tile.metrics(tile._training.train, 9)["loss"], expected, equal_nan=True)
    assert all(proof.has_failed and proof.shown == 1 for proof in tile._proofs.values())


def test_evaluation_trusts_the_smaller_stack_after_some_pieces():
    tile = tile_of("linear")
    tile.drop(range(2, 16))
    tile.run(20)
    for _ in range(compaction.PROOF_STEPS):
        tile.metrics(tile._training.train, 11)
    assert {rows: proof.shown for rows, proof in tile._proofs.items()} == {11: compaction.PROOF_STEPS}
    assert tile._proofs[11].is_complete


def test_saved_while_compacted_and_restored_whole():
    tile, fresh = tile_of("transformer"), tile_of("transformer")
    for position in range(2, 16):
        tile.freeze(position)
    tile.run(20)
    assert tile._parked
    fresh.restore(tile.save())
    assert len(fresh._live.positions) == 16
    ours, theirs = tile.run(20)[0], fresh.run(20)[0]
    assert np.array_equal(ours[:, :2], theirs[:, :2])
    assert all(torch.equal(a, b) for a, b in zip(tile.save().values(), fresh.save().values(), strict=True))


def test_a_compacted_tile_restored_goes_back_in_time():
    tile = tile_of("mlp")
    saved = {name: tensor.clone() for name, tensor in tile.save().items()}
    first = tile.run(12)[0]
    tile.drop(range(2, 16))
    tile.run(12)
    assert tile._parked
    other = tile_of("mlp")
    other.drop(range(2, 16))
    other.run(12)
    other._orders = tile_of("mlp")._orders
    other.restore(saved)
    assert np.array_equal(other.run(12)[0], first)


@pytest.mark.compile
@pytest.mark.slow
def test_compiled_stacks_shrink_in_few_shapes_and_keep_every_bit(monkeypatch, never):
    name = "mlp"
    monkeypatch.setattr(compaction, "COMPILE_SECONDS", 0.0)
    engine = fleet(name, torch.float32)
    small = tile_of(name, mode="compiled", engine=engine)
    ours = carry_out(small)
    shapes = set(engine._compiled)
    assert len(small._live.positions) < 16
    assert len(shapes) <= 1 + compaction.MOST_COMPILED
    again = tile_of(name, mode="compiled", engine=engine)
    carry_out(again, {0: (), 9: (3, 4, 8, 12), 20: (5, 13)})
    assert len(engine._compiled) <= 1 + compaction.MOST_COMPILED
    never()
    large = tile_of(name, mode="compiled", engine=engine)
    assert_same_rest(small, large, (ours, carry_out(large)))


@pytest.mark.compile
@pytest.mark.slow
def test_a_compiled_stack_stays_where_a_new_shape_does_not_pay():
    engine = fleet("mlp", torch.float32)
    tile = tile_of("mlp", mode="compiled", engine=engine)
    tile.drop(range(2, 16))
    tile.run(STEPS)
    assert len(tile._live.positions) == 16
    assert len(engine._compiled) == 1
