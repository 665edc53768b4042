"""Precision: dtypes of what is computed, and float16 whose gradients overflow."""

import functools
import math

import pytest
import torch
from torch import nn

import ravine
from ravine.base.errors import DivergedError, InputError, UnknownNameError
from ravine.trainer import Skipped, loop
from ravine.trainer.checkpoint import opened
from ravine.trainer.precision import NAMES, Precision, automatic, check

CPU = torch.device("cpu")


def recorded(model):
    """Dtypes that the last layer sees and gives."""
    seen = []
    model[-1].register_forward_hook(lambda module, args, output: seen.append((args[0].dtype, output.dtype)))
    return seen


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16), ("pure_bf16", torch.bfloat16)]
)
def test_products_are_computed_in_the_dtype_and_losses_in_float32(name, dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    precision, seen = Precision(name, CPU), recorded(model)
    precision.prepare(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with precision.forward():
        loss = nn.functional.cross_entropy(model(torch.randn(5, 4)), torch.zeros(5, dtype=torch.int64))
    precision.backward(loss)
    precision.unscale(optimizer)
    assert seen[0][1] == dtype
    assert loss.dtype == torch.float32
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16 if name == "pure_bf16" else torch.float32}
    assert {p.grad.dtype for p in model.parameters()} == {torch.float32}


@functools.cache
def float32_loss():
    return ravine.train("digits", steps=60, lr=0.01).metrics["validation"]["loss"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("accumulate", [1, 3])
def test_every_precision_learns(name, accumulate):
    trained = ravine.train("digits", steps=60, lr=0.01, precision=name, accumulate=accumulate)
    assert trained.history.loss[-1] < 0.5 * trained.history.loss[0]
    assert trained.metrics["validation"]["loss"] == pytest.approx(float32_loss(), rel=0.01)
    output = trained.model(torch.zeros(1, 64, dtype=next(trained.model.parameters()).dtype))
    assert output.dtype == (torch.bfloat16 if name == "pure_bf16" else torch.float32), "no hook or autocast stays behind"


@pytest.mark.parametrize("weights", ["master", "stochastic", "kahan"])
def test_pure_bfloat16_takes_steps_that_plain_rounding_loses(weights):
    """A rate so small that bfloat16 weights would not move at all."""
    options = {"steps": 40, "optimizer": "sgd", "lr": 2e-3, "schedule": "constant", "warmup": 0, "precision": "pure_bf16", "clip": 0}
    lost, kept = (ravine.train("digits", weights=way, **options).history.loss[-1] for way in ("plain", weights))
    assert kept < lost


def overflowing(after):
    """A task whose loss overflows float16 on some batches, told by a number that its data holds."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, x):
            return self.layer(x)

    x = torch.ones(40, 1)
    x[after::10] = 60000.0
    pair = x, torch.zeros(40, 1)
    return ravine.Task("overflow", Model, pair, (torch.ones(4, 1), torch.zeros(4, 1)), nn.functional.mse_loss, batch_size=4)


def test_an_overflow_is_no_step_and_is_recorded():
    seen = []
    options = {"steps": 12, "optimizer": "sgd+ema", "lr": 1e-12, "schedule": "linear", "warmup": 0, "ema": 0.5, "clip": 0}
    trained = ravine.train(overflowing(0), precision="fp16", observer=seen.append, **options)
    skipped = [event for event in seen if isinstance(event, Skipped)]
    assert skipped, "some batches overflow"
    assert trained.step == 12
    assert len(trained.history) == 12
    assert all(math.isfinite(loss) for loss in trained.history.loss)
    scales = [scale for _, scale in trained.history.scales]
    assert scales[0] == 65536.0
    assert scales[1 : len(skipped) + 1] == [65536.0 / 2**power for power in range(1, len(skipped) + 1)]
    rates = [event.lr for event in seen if type(event).__name__ == "Stepped"]
    assert rates == [1e-12 * (1 - step / 12) for step in range(12)], "the schedule counts steps, not batches"


def test_what_overflows_at_every_scale_stops():
    pair = torch.full((8, 1), 1e6), torch.zeros(8, 1)
    task = ravine.Task("big", lambda: nn.Linear(1, 1), pair, pair, nn.functional.mse_loss)
    with pytest.raises(DivergedError, match=r"float16 overflows even at a loss scale of .*: the step was not taken"):
        ravine.train(task, steps=50, precision="fp16", check=False)


def test_a_resumed_run_has_the_scale(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "COST_SHARE", math.inf)
    options = {"steps": 12, "optimizer": "sgd", "lr": 1e-12, "precision": "fp16"}
    whole = ravine.train(overflowing(0), **options)
    with pytest.raises(ZeroDivisionError):
        ravine.train(overflowing(0), **options, out=tmp_path, save_s=0.0, observer=lambda event: 1 / (getattr(event, "step", 0) - 7))
    assert checkpoint_steps(tmp_path) == [6, 5]
    resumed = ravine.train(overflowing(0), **options, out=tmp_path, resume=True)
    assert resumed.history == whole.history


def checkpoint_steps(folder):
    with opened(folder) as checkpoints:
        return [int(path.stem.partition("-")[2]) for path in checkpoints.paths()]


def test_a_scale_and_two_gradients_a_step_exclude_each_other():
    with pytest.raises(InputError, match=r"'sgd\+sam' takes two gradients a step, which one loss scale cannot serve"):
        ravine.train("line", steps=2, optimizer="sgd+sam", precision="fp16")


def test_names_are_checked():
    assert automatic(CPU) == "fp32"
    assert check("bf16") == "bf16"
    with pytest.raises(InputError, match="float8 products"):
        check("fp8_e5m2")
    with pytest.raises(UnknownNameError, match="no precision is called"):
        check("half")


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_every_precision_learns_on_cuda(name):
    trained = ravine.train("digits", steps=60, lr=0.01, precision=name, device="cuda")
    assert trained.metrics["validation"]["loss"] == pytest.approx(float32_loss(), rel=0.02)
    assert next(trained.model.parameters()).device.type == "cuda"
