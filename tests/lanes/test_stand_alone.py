"""A lane equals the same training written as a plain torch loop: start, batch order, dropout stream, rates, running statistics."""

import pytest
import torch

from lane_models import BATCH, HELD, LOOP, RACE_SEED, ROWS, STACKED, TOLERANCE, Run, gap, lanes, task
from lane_models import shared_fleet as fleet
from ravine import optim
from ravine.base._seeds import derive
from ravine.schedules import create

STEPS, SEED = 30, 4
OPTIMIZERS = {
    "momentum": lambda params: torch.optim.SGD(params, lr=0.05, momentum=0.9),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.01),
    "lion": lambda params: optim.create("lion", params, lr=0.002),
}
RATES = {"momentum": 0.05, "adamw": 0.01, "lion": 0.002}


def by_hand(name, dtype, make):
    """What a person would write, with the seeds that the fleet documents."""
    problem = task(name, dtype)
    model = problem.build(derive(RACE_SEED, SEED, "init")).train()
    optimizer = make(model.parameters())
    peak, shape = optimizer.param_groups[0]["lr"], create("cosine")
    order, batches, losses = torch.Generator().manual_seed(derive(RACE_SEED, SEED, "order")), [], []
    for step in range(STEPS):
        if not batches:
            batches = list(torch.randperm(ROWS, generator=order)[: ROWS // BATCH * BATCH].split(BATCH))
        rows = batches.pop(0)
        optimizer.param_groups[0]["lr"] = peak * shape(step, STEPS)
        optimizer.zero_grad()
        with torch.random.fork_rng():
            torch.manual_seed(derive(RACE_SEED, SEED, "dropout") + step)
            loss = problem.loss(model(problem.data.train[0][rows]), problem.data.train[1][rows])
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    x, y = problem.data.validation
    with torch.no_grad():
        return model, losses, float(problem.loss(model.eval()(x), y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", HELD)
def test_a_lane_equals_a_plain_loop(name, dtype):
    engine = fleet(name, dtype)
    members = lanes(*((optimizer, {"lr": rate}, SEED) for optimizer, rate in RATES.items()))
    runs = [Run(engine, members, choice, STEPS, at=(STEPS,)) for choice in (STACKED, LOOP)]
    for number, optimizer in enumerate(RATES):
        model, losses, final = by_hand(name, dtype, OPTIMIZERS[optimizer])
        for run in runs:
            assert run.losses[number] == pytest.approx(losses, rel=1e-5)
            ours = run.everything(number)[: len(list(model.parameters())) + len(list(model.buffers()))]
            assert gap(ours, [*(p.detach() for p in model.parameters()), *model.buffers()]) < TOLERANCE[dtype]
            assert run.values[number][STEPS, "loss"] == pytest.approx(final, rel=TOLERANCE[dtype])


def test_the_seed_of_a_lane_decides_its_start_its_batches_and_its_dropout():
    runs = [Run(fleet("cnn"), lanes(("sgd", {"lr": 0.1}, seed)), LOOP, 3, at=(0, 3)) for seed in (1, 1, 2)]
    assert runs[0].losses[0] == runs[1].losses[0]
    assert runs[0].values[0][0, "loss"] != runs[2].values[0][0, "loss"]


def test_lanes_of_one_seed_start_alike_whatever_the_optimizer():
    run = Run(fleet("cnn"), lanes(("sgd", {"lr": 0.1}, 3), ("adam", {"lr": 0.1}, 3), ("lion", {"lr": 1e-3}, 3)), LOOP, 2, at=(0, 2))
    assert len({run.values[number][0, "loss"] for number in range(3)}) == 1
    assert len({run.losses[number][0] for number in range(3)}) == 1
    assert len({run.losses[number][1] for number in range(3)}) == 3
