"""Where torch's and transformers' schedulers go wrong, and what the definition says: each fault is seen first, then ours beside it."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as theirs

from ravine.optim import LRScheduler
from ravine.schedules import Constant, Cosine, CosineRestarts, Linear, OneCycle, Plateau, Polynomial


def sgd(lr=1.0, **settings):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, **settings)


def rates(scheduler, steps):
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(steps):
            found.append(float(scheduler.optimizer.param_groups[0]["lr"]))
            scheduler.optimizer.step()
            scheduler.step()
    return found


@pytest.mark.filterwarnings("ignore")
def test_a_chain_in_a_chain_is_the_chain():
    def parts(optimizer):
        return [theirs.ConstantLR(optimizer, 0.5, total_iters=100), theirs.ConstantLR(optimizer, 0.2, total_iters=100)]

    def nested(optimizer):
        return theirs.SequentialLR(optimizer, [theirs.SequentialLR(optimizer, parts(optimizer), milestones=[2])], milestones=[])

    plain = rates(theirs.SequentialLR(one := sgd(), parts(one), milestones=[2]), 4)
    assert plain == [0.5, 0.5, 0.2, 0.2]
    assert rates(nested(sgd()), 4) != plain, "torch has repaired it"

    first = Constant(horizon=2) >> Linear(horizon=3)
    flat, deep = first >> Cosine(horizon=5) >> Constant(), Constant(horizon=2) >> (Linear(horizon=3) >> (Cosine(horizon=5) >> Constant()))
    assert flat == deep
    assert rates(LRScheduler(sgd(), flat), 12) == rates(LRScheduler(sgd(), deep), 12)


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_made_anew_goes_on_where_it_was():
    def make(optimizer, last_epoch=-1):
        warm = theirs.LinearLR(optimizer, 0.1, total_iters=3, last_epoch=last_epoch)
        cosine = theirs.CosineAnnealingLR(optimizer, 7, last_epoch=last_epoch)
        return theirs.SequentialLR(optimizer, [warm, cosine], milestones=[3], last_epoch=last_epoch)

    whole = rates(make(sgd()), 8)
    again = sgd()
    again.param_groups[0]["initial_lr"] = 1.0
    assert rates(make(again, 4), 3) != pytest.approx(whole[5:])

    schedule = Cosine(horizon=10).warmup(3, start=0.1)
    whole = rates(LRScheduler(sgd(), schedule), 10)
    assert rates(LRScheduler(sgd(), schedule, 4), 5) == whole[5:]
    sought = LRScheduler(sgd(), schedule)
    sought.seek(5)
    assert rates(sought, 5) == whole[5:]


def test_the_schedulers_state_alone_is_enough():
    def reloaded(make):
        first = make(sgd())
        rates(first, 5)
        second = make(sgd())
        second.load_state_dict(first.state_dict())
        return rates(second, 1)[0], rates(first, 1)[0]

    found, right = reloaded(lambda optimizer: theirs.CosineAnnealingLR(optimizer, 10))
    assert found != right, "torch has repaired it"
    found, right = reloaded(lambda optimizer: LRScheduler(optimizer, Cosine(horizon=10)))
    assert found == right == Cosine(horizon=10)(5)


def test_a_cut_by_hand_is_undone_with_a_warning_and_lasts_where_it_is_meant_to():
    def after_a_cut(make):
        optimizer = sgd()
        scheduler = make(optimizer)
        rates(scheduler, 2)
        optimizer.param_groups[0]["lr"] *= 0.1
        rates(scheduler, 1)
        return optimizer.param_groups[0]["lr"]

    recursive = after_a_cut(lambda optimizer: theirs.CosineAnnealingLR(optimizer, 10))
    closed = after_a_cut(lambda optimizer: theirs.LambdaLR(optimizer, lambda t: (1 + math.cos(math.pi * t / 10)) / 2))
    assert recursive == pytest.approx(0.1 * closed), "the same action, two results"

    optimizer = sgd()
    scheduler = LRScheduler(optimizer, Cosine(horizon=10))
    rates(scheduler, 2)
    optimizer.param_groups[0]["lr"] *= 0.1
    optimizer.step()
    with pytest.warns(UserWarning, match=r"lr of group 0 was 0\.90.* and is 0\.090.*change group\['initial_lr'\]"):
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == Cosine(horizon=10)(3)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.1 * Cosine(horizon=10)(4)]


def test_past_the_end_the_rate_stays():
    assert rates(theirs.CosineAnnealingLR(sgd(), 10), 21)[20] == pytest.approx(1.0), "back at the peak"
    assert rates(LRScheduler(sgd(), Cosine(horizon=10)), 21)[10:] == [0.0] * 11

    theirs_one = theirs.OneCycleLR(sgd(momentum=0.9), 1.0, total_steps=10)
    with pytest.raises(ValueError, match="Tried to step"):
        rates(theirs_one, 20)
    ours = rates(LRScheduler(sgd(momentum=0.9), OneCycle(horizon=10)), 20)
    assert ours[9:] == [ours[9]] * 11


def test_only_what_is_named_is_scheduled():
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0, betas=(0.9, 0.99))
    theirs.OneCycleLR(adam, 1.0, total_steps=10)
    assert adam.param_groups[0]["betas"] == (0.95, 0.99), "overwritten without being asked"
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0, betas=(0.9, 0.99))
    LRScheduler(adam, OneCycle(horizon=10))
    assert adam.param_groups[0]["betas"] == (0.9, 0.99)


def test_a_group_that_is_added_later_is_scheduled_as_the_others():
    def late(make):
        optimizer = sgd()
        scheduler = make(optimizer)
        rates(scheduler, 5)
        optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)], "lr": 1.0})
        at_once = optimizer.param_groups[1]["lr"]
        rates(scheduler, 1)
        return at_once, *(group["lr"] for group in optimizer.param_groups)

    with pytest.raises((ValueError, KeyError)):
        late(lambda optimizer: theirs.LambdaLR(optimizer, lambda t: 0.9**t))
    at_once, first, second = late(lambda optimizer: theirs.CosineAnnealingLR(optimizer, 10))
    assert (at_once, second) != (first, first), "the part that the others have fallen by is left out"
    at_once, first, second = late(lambda optimizer: LRScheduler(optimizer, Cosine(horizon=10)))
    assert at_once == Cosine(horizon=10)(5)
    assert first == second == Cosine(horizon=10)(6)


def test_restarts_are_counted_in_whole_numbers():
    start = 10 * (3**5 - 1) // 2
    scheduler = theirs.CosineAnnealingWarmRestarts(sgd(), 10, T_mult=3)
    scheduler.step(start)
    by_jumping = scheduler.get_last_lr()[0]
    by_stepping = rates(theirs.CosineAnnealingWarmRestarts(sgd(), 10, T_mult=3), start + 1)[start]
    assert (by_jumping, by_stepping) == (0.0, 1.0), "the logarithm of 243 to the base 3 rounds below 5"
    schedule = CosineRestarts(t_0=10, t_mult=3)
    assert schedule(start) == schedule(np.arange(start + 1))[start] == 1.0


def test_a_peak_at_the_first_step():
    with pytest.raises(ZeroDivisionError):
        theirs.OneCycleLR(sgd(momentum=0.9), 1.0, total_steps=10, pct_start=0.1)
    assert rates(LRScheduler(sgd(), OneCycle(horizon=10, pct_start=0.1)), 2)[0] == 1.0


def test_a_worse_value_below_zero_is_no_improvement():
    scheduler = theirs.ReduceLROnPlateau(sgd(), patience=0, threshold=0.1, factor=0.5)
    for value in (-1.0, -0.95, -0.9):
        scheduler.step(value)
    assert scheduler.best == -0.9, "it took 10 % worse for better, twice"
    assert scheduler.get_last_lr() == [1.0]

    ours = LRScheduler(sgd(), Constant(), plateau=Plateau(patience=0, threshold=0.1, factor=0.5))
    for value in (-1.0, -0.95, -0.9):
        ours.observe(value)
    assert ours.plateau_state.best == -1.0
    assert ours.get_last_lr() == [0.25]


def test_a_floor_is_a_share_of_each_groups_own_peak():
    hf = pytest.importorskip("transformers.optimization")

    def groups():
        return torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (1.0, 0.1)], lr=1.0)

    optimizer = groups()
    scheduler = hf.get_polynomial_decay_schedule_with_warmup(optimizer, 0, 10, lr_end=0.05)
    rates(scheduler, 10)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.005]), "one lr_end, two ends"
    with pytest.raises(ValueError, match="must be smaller than initial lr"):
        hf.get_polynomial_decay_schedule_with_warmup(sgd(lr=0.01), 0, 10, lr_end=0.05)

    optimizer = groups()
    scheduler = LRScheduler(optimizer, [Polynomial(horizon=10, power=1.0, floor=0.05), Polynomial(horizon=10, power=1.0, floor=0.5)])
    rates(scheduler, 10)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.05])
