"""The conformance table, carried out: each row by a plain torch loop, by the fleet's loop, and in every other mode that holds it."""

import functools
import importlib.util
from collections import ChainMap

import pytest
import torch
from torch.utils import _pytree as pytree

from conformance import MODES, TABLE
from lane_models import RACE_SEED, STEPS, Run, lanes
from ravine.base._seeds import derive
from ravine.base.errors import TaskError
from ravine.fleet import Choice, Fleet
from ravine.tasks import Objective

LOOP = Choice("loop", 1, "by hand")

# eps: a bias before BatchNorm has a gradient of rounding only, which a smaller one would blow up to steps of the full rate.
LANES = (("sgd", {"lr": 0.05}, 1), ("adamw", {"lr": 1e-2, "eps": 1e-3}, 1), ("sgd", {"lr": 0.02}, 2))
OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}


def cases():
    """Rows in float64, where differences cannot hide; variants, and float32 where torch has no kernels of its own for it, by `--slow`."""
    for group, rows in TABLE.items():
        for row in rows:
            for dtype in row.tolerance:
                is_slow = row.is_slow or (dtype == torch.float32 and group != "Precision" and not row.name.startswith("LSTM"))
                marks = [pytest.mark.slow] if is_slow else []
                yield pytest.param(row, dtype, id=f"{row.name}-{str(dtype)[6:]}", marks=marks)


# What torch itself says of a model in any loop.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
every_case = pytest.mark.parametrize(("row", "dtype"), list(cases()))


def entries(row):
    return [(optimizer, ChainMap({"lr": settings["lr"] * row.rate}, settings), seed) for optimizer, settings, seed in LANES]


@functools.cache
def carried_out(row, dtype):
    """The row's fleet, and its lanes by the loop."""
    for package in row.needs:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: make oracles")
    engine = Fleet(row.task(dtype), race_seed=RACE_SEED)
    return engine, Run(engine, lanes(*entries(row)), LOOP, at=(0, STEPS))


def batches(task, seed):
    """Batches of one seed, epoch after epoch, drawn as a reader of the documents would."""
    order, rows = torch.Generator().manual_seed(derive(RACE_SEED, seed, "order")), len(pytree.tree_leaves(task.data.train)[0])
    while True:
        for index in torch.randperm(rows, generator=order)[: rows // task.batch_size * task.batch_size].view(-1, task.batch_size):
            yield pytree.tree_map(lambda leaf, index=index: leaf[index], task.data.train)


def loss_of(task, model, batch):
    return task.step(model, batch) if task.step else task.loss(model(*batch[:-1]), batch[-1])


def evaluated(task, model):
    """The loss on the validation split; every evaluation draws the same numbers."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        try:
            return Objective(model, task).eval()(task.data.validation).item()
        except RuntimeError:  # a step that differentiates needs gradients to be recorded
            with torch.enable_grad():
                return Objective(model, task)(task.data.validation).item()
        finally:
            model.train()


def by_hand(task, optimizer, settings, seed):
    """Losses, final parameters by name and final evaluation of a plain torch loop."""
    model, losses = task.build(derive(RACE_SEED, seed, "init")), []
    optimizer = OPTIMIZERS[optimizer](model.parameters(), **settings)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    evaluated(task, model)
    with torch.random.fork_rng():
        for step, batch in zip(range(STEPS), batches(task, seed), strict=False):
            torch.manual_seed(derive(RACE_SEED, seed, "dropout") + step)
            optimizer.zero_grad()
            loss = loss_of(task, model, batch)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    final = evaluated(task, model)
    return losses, {f"model.{name}": p.detach() for name, p in model.named_parameters() if p.requires_grad}, final


def difference(left, right):
    """Largest difference of two dictionaries of tensors, relative to each tensor's largest number, or to 0.1: biases start at zero."""
    assert left.keys() == right.keys()
    return max(float((left[name] - p).abs().max()) / max(float(p.abs().max()), 0.1) for name, p in right.items())


@every_case
def test_the_engine_knows_what_holds_the_model(row, dtype):
    support = carried_out(row, dtype)[0].support
    assert support.stackable == ("stacked" not in row.why_not), support.reason
    assert row.why_not.get("stacked", "") in support.reason
    assert support.traceable == row.traceable


@every_case
def test_the_loop_equals_a_plain_torch_loop(row, dtype):
    engine, run = carried_out(row, dtype)
    for number, entry in enumerate(entries(row)):
        losses, parameters, final = by_hand(engine.task, *entry)
        assert losses[0] != losses[-1], "a run that never moves would agree with anything"
        assert run.losses[number] == pytest.approx(losses, rel=max(row.tolerance[dtype], 1e-6))
        assert difference(run.parameters(number), parameters) < row.tolerance[dtype]
        assert run.values[number][STEPS, "loss"] == pytest.approx(final, rel=row.tolerance[dtype])


@pytest.mark.parametrize("mode", MODES)
@every_case
def test_every_mode_equals_the_loop(row, dtype, mode):
    engine, run = carried_out(row, dtype)
    if mode in row.why_not and mode != "native":
        return
    try:
        other = Run(engine, lanes(*entries(row)), Choice(mode, 64, "by hand"), at=(0, STEPS))
    except TaskError as error:
        # Native code says itself what it cannot express; what holds in one precision may not in another.
        holds = mode not in row.why_not and row.traceable
        if holds or row.why_not.get(mode, "has no native code") not in str(error):
            raise
        return
    for number in range(len(LANES)):
        assert other.losses[number] == pytest.approx(run.losses[number], rel=max(row.tolerance[dtype], 1e-6))
        assert other.values[number] == pytest.approx(run.values[number], rel=row.tolerance[dtype])
        assert difference(other.parameters(number), run.parameters(number)) < row.tolerance[dtype]
