"""The fleet on CUDA: all ways of running agree, recorded steps have the bits of launched ones, snapshots go on."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lane_models import COMPILED, HELD, LOOP, STACKED, TOLERANCE, Run, gap, lanes, task
from ravine.fleet import Choice, Fleet
from ravine.fleet.assembly import same_state
from ravine.fleet.devices import free_bytes
from ravine.fleet.tile_run import quiet_threads
from ravine.tasks import Task

pytestmark = pytest.mark.gpu

MEMBERS = ("adam", {"lr": 0.01}), ("adam", {"lr": 0.02}), ("sgd", {"lr": 1e30}), ("momentum", {"lr": 0.02})


@pytest.fixture(autouse=True)
def whole_float32():
    """Convolutions drop bits on CUDA by default; two ways of running would then differ by what TF32 leaves out."""
    conv = torch.backends.cudnn.conv
    before, conv.fp32_precision = conv.fp32_precision, "ieee"
    yield
    conv.fp32_precision = before


def fleet(name, dtype=torch.float32, **options):
    return Fleet(task(name, dtype, **options), race_seed=7, device="cuda")


def stacked(name, members=MEMBERS, steps=200, *, records=True):
    """A tile on CUDA, with recorded steps or without."""
    with quiet_threads():
        tile = fleet(name)._tile(lanes(*members), "stacked", steps)
    if not records:
        tile._recorder = None
    return tile


def run(tile, steps):
    with quiet_threads():
        return tile.run(steps)


def same_blocks(left, right):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))


def assert_close(left, right, dtype, lost):
    for number in left.losses.keys() - {lost}:
        assert left.losses[number] == pytest.approx(right.losses[number], rel=max(TOLERANCE[dtype], 1e-6))
        assert gap(left.everything(number), right.everything(number)) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", HELD)
def test_stacked_lanes_equal_the_loop(name, dtype):
    engine, members = fleet(name, dtype), lanes(*MEMBERS)
    modes = [Run(engine, members, LOOP), *([Run(engine, members, STACKED)] if engine.support.stackable else [])]
    assert_close(modes[0], modes[-1], dtype, lost=2)
    ends = [[(e.lane, e.step) for e in mode.events if type(e).__name__ == "Diverged"] for mode in modes]
    assert sorted(ends[0]) == sorted(ends[-1]) != []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores")
@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_compiled_lanes_equal_stacked_ones(name):
    engine, members = fleet(name), lanes(*MEMBERS)
    assert_close(Run(engine, members, COMPILED), Run(engine, members, STACKED), torch.float32, lost=2)


def test_a_lane_starts_from_the_same_weights_and_batches_as_on_the_cpu():
    """To rounding: another device sums in another order."""
    here, there = Fleet(task("mlp", torch.float64), race_seed=7), fleet("mlp", torch.float64)
    members = lanes(("adam", {"lr": 0.01}), ("sgd", {"lr": 0.1}, 1))
    ours, theirs = Run(here, members, STACKED), Run(there, members, STACKED)
    for number in (0, 1):
        assert ours.losses[number] == pytest.approx(theirs.losses[number], rel=1e-6)


@pytest.mark.parametrize("name", ["mlp", "cnn", "transformer"])
def test_recorded_steps_have_the_bits_of_launched_ones(name):
    """Dropout (cnn) draws the same masks, a diverged lane keeps its last finite state, over more than one block of steps."""
    recorded, launched = stacked(name), stacked(name, records=False)
    for steps in (1, 70, 30):
        assert same_blocks(run(recorded, steps), run(launched, steps))
    assert recorded._recorder.reason == ""
    assert same_state(recorded.state, launched.state)


def test_a_lane_frozen_between_blocks_stays_as_it_is():
    tile = stacked("cnn")
    run(tile, 10)
    before = [stack[0].clone() for stack in tile.state.parameters.values()]
    others = [stack[1].clone() for stack in tile.state.parameters.values()]
    tile.freeze(0)
    assert not run(tile, 10)[1][:, 0].any()
    assert all(torch.equal(stack[0], kept) for stack, kept in zip(tile.state.parameters.values(), before, strict=True))
    assert not all(torch.equal(stack[1], kept) for stack, kept in zip(tile.state.parameters.values(), others, strict=True))


@pytest.mark.parametrize("mode", ["stacked", "loop"])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_restored_tile_goes_on_with_the_same_bits(name, mode):
    members = MEMBERS[:1] if mode == "loop" else MEMBERS
    with quiet_threads():
        whole, first, second = (fleet(name)._tile(lanes(*members), mode, 60) for _ in range(3))
    expected = run(whole, 20), run(whole, 20)
    assert same_blocks(run(first, 20), expected[0])
    saved = {key: tensor.detach().cpu().clone() for key, tensor in first.save().items()}
    with quiet_threads():
        second.restore(saved)
    assert same_blocks(run(second, 20), expected[1])


class Looking(nn.Module):
    """Waits for the device in its forward, though not for a value that decides anything."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        # Made from Python numbers on every call: a copy that the host waits for.
        return self.layer(x) + torch.tensor([0.0, 0.0, 0.0], device=x.device)


def test_a_forward_that_waits_for_the_device_runs_without_a_recording_and_says_why():
    source = task("linear", torch.float32)
    problem = Task("looking", Looking, source.data.train, source.data.validation, F.cross_entropy, batch_size=4)
    with quiet_threads():
        tile = Fleet(problem, device="cuda")._tile(lanes(*MEMBERS), "stacked", 20)
    losses, finite = run(tile, 12)
    assert tile._recorder.reason
    assert finite[:, 3].all()
    assert np.isfinite(losses[:, 3]).all()
    # The device is as usable as before.
    assert same_blocks(run(stacked("mlp"), 5), run(stacked("mlp", records=False), 5))


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_steps_make_the_host_wait_for_nothing(name):
    """Only the fetch at a block's end does."""
    tile = stacked(name, records=False)
    run(tile, 2)
    live = tile._live
    with quiet_threads(), torch.no_grad():
        scalars, rows = tile._scalars(live, 4), tile._rows(4)
        torch.cuda.set_sync_debug_mode("error")
        try:
            for offset, batch in enumerate(tile._each(rows, 4)):
                live.advance([block[offset] for block in scalars], batch, offset + 1)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_calibration_chooses_and_tiles_are_not_cut_to_a_cache():
    engine = fleet("mlp")
    members = lanes(*(("adam", {"lr": 1e-3}) for _ in range(100)))
    assert engine.tile_size(members) >= 100
    choice = engine.calibrate(members, 50)
    assert isinstance(choice, Choice)
    assert choice.seconds > 0


def test_free_memory_shrinks_by_what_is_taken():
    before = free_bytes(torch.device("cuda"))
    taken = torch.empty(64 * 2**20, dtype=torch.uint8, device="cuda")
    assert before - free_bytes(torch.device("cuda")) >= 60 * 2**20
    del taken


def test_a_race_on_cuda_runs_to_its_end(tmp_path):
    import ravine

    source = task("mlp", torch.float32)
    race = ravine.race(source, optimizers=["sgd", "adam"], steps=30, seeds=2, device="cuda", out=tmp_path / "a.ravine")
    assert race is not None
