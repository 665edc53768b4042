"""Schedules on an optimizer: torch's protocol, every setting, late groups, resuming from the step, tensors in place."""

import copy
import gc
import io
import json
import math
import pickle

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError, UnknownNameError
from ravine.optim import LRScheduler
from ravine.schedules import KINDS, Between, Constant, Cosine, Linear, MultiStep, OneCycle, Plateau, Step


def parameter(value=1.0):
    return torch.nn.Parameter(torch.full((3,), value))


def adam(lr=0.1, **settings):
    return optim.AdamW([parameter()], lr=lr, **settings)


def go(scheduler, steps):
    """A setting of every group before each step."""
    found = []
    for _ in range(steps):
        found.append([group["lr"] for group in scheduler.optimizer.param_groups])
        for group in scheduler.optimizer.param_groups:
            for param in group["params"]:
                param.grad = torch.ones_like(param)
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_a_rate_is_the_peak_times_the_multiplier_of_its_step():
    schedule = Cosine(horizon=20).warmup(5)
    assert go(LRScheduler(adam(), schedule), 25) == [[0.1 * schedule(step)] for step in range(25)]


def test_it_is_torchs_class_and_has_its_attributes():
    scheduler = LRScheduler(adam(), Linear(horizon=10))
    assert isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    go(scheduler, 5)
    assert scheduler.last_epoch == 5
    assert scheduler.base_lrs == [0.1]
    assert scheduler.get_last_lr() == scheduler.get_lr() == [0.05]
    assert scheduler.optimizer.param_groups[0]["initial_lr"] == 0.1


def test_an_initial_rate_that_is_there_is_the_peak():
    optimizer = adam(lr=0.001)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    assert go(LRScheduler(optimizer, Linear(horizon=4)), 2) == [[0.1], [0.1 * 0.75]]


def test_any_setting_by_its_key():
    optimizer = adam(weight_decay=0.2, betas=(0.9, 0.99))
    plan = {"lr": Linear(horizon=4), "weight_decay": Cosine(horizon=4), "betas[0]": Between(Linear(horizon=4), at_zero=0.5, at_one=0.9)}
    scheduler = LRScheduler(optimizer, plan)
    go(scheduler, 2)
    group = optimizer.param_groups[0]
    assert group["weight_decay"] == 0.2 * Cosine(horizon=4)(2)
    assert group["betas"] == (pytest.approx(0.7), 0.99)
    assert isinstance(group["betas"], tuple)
    assert group["initial_betas"] == (0.9, 0.99)
    go(LRScheduler(adam(betas=(0.9, 0.99)), {"betas[1]": Constant()}), 2)


def test_what_is_not_scheduled_stays():
    optimizer = adam(weight_decay=0.2)
    go(LRScheduler(optimizer, {"weight_decay": Linear(horizon=4)}), 2)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["weight_decay"] == 0.1


def test_the_rate_of_the_schedule_reaches_the_step():
    moved = []
    for schedule in (Constant(), Step(step_size=1, gamma=0.5)):
        param = parameter()
        go(LRScheduler(optim.SGD([param], lr=0.1), schedule), 3)
        moved.append(1.0 - param[0].item())
    assert moved == pytest.approx([0.3, 0.175])


def two_groups():
    return optim.SGD([{"params": [parameter()], "lr": 0.1}, {"params": [parameter()], "lr": 1.0}], lr=0.5)


def test_one_schedule_for_all_groups_or_one_for_each():
    assert go(LRScheduler(two_groups(), Linear(horizon=4)), 2)[1] == [0.1 * 0.75, 0.75]
    assert go(LRScheduler(two_groups(), [Constant(), {"lr": Linear(horizon=4)}]), 2)[1] == [0.1, 0.75]
    with pytest.raises(InputError, match="3 schedules for 2 groups: must be one for all or one for each"):
        LRScheduler(two_groups(), [Constant()] * 3)


def test_a_group_that_comes_late_has_its_settings_at_once():
    optimizer = adam(weight_decay=0.2)
    scheduler = LRScheduler(optimizer, {"lr": Linear(horizon=10), "weight_decay": Linear(horizon=10)})
    go(scheduler, 5)
    optimizer.add_param_group({"params": [parameter()], "lr": 0.4})
    assert (optimizer.param_groups[1]["lr"], optimizer.param_groups[1]["weight_decay"]) == (0.2, 0.1)
    assert scheduler.get_last_lr() == [0.05, 0.2]
    assert go(scheduler, 2)[1] == [0.1 * 0.4, 0.4 * 0.4]
    assert scheduler.base_lrs == [0.1, 0.4]


def test_a_group_put_in_by_hand_is_found_at_the_next_step():
    optimizer = adam()
    scheduler = LRScheduler(optimizer, Linear(horizon=10))
    group = dict(optimizer.param_groups[0], params=[parameter()], lr=1.0)
    del group["initial_lr"]
    optimizer.param_groups.append(group)
    assert go(scheduler, 2)[1] == [0.1 * 0.9, 0.9]


def test_an_optimizer_outlives_its_scheduler():
    optimizer = adam()
    LRScheduler(optimizer, Linear(horizon=10))
    gc.collect()
    optimizer.add_param_group({"params": [parameter()], "lr": 0.4})
    assert optimizer.param_groups[1]["lr"] == 0.4


def test_a_late_group_of_listed_schedules_needs_its_own():
    optimizer = two_groups()
    scheduler = LRScheduler(optimizer, [Constant(), Linear(horizon=4)])
    go(scheduler, 1)
    scheduler.schedule.append({"lr": Step(step_size=1, gamma=0.5)})
    optimizer.add_param_group({"params": [parameter()], "lr": 1.0})
    assert optimizer.param_groups[2]["lr"] == 0.5
    with pytest.raises(InputError, match=r"3 schedules for 4 groups.*Append to scheduler.schedule"):
        optimizer.add_param_group({"params": [parameter()]})


@pytest.mark.parametrize("kind", KINDS)
def test_going_to_a_step_gives_the_bits_of_having_stepped_there(kind):
    schedule = kind(horizon=40).warmup(5)
    walked = LRScheduler(adam(), schedule)
    go(walked, 23)
    sought = LRScheduler(adam(), schedule)
    sought.seek(23)
    assert sought.get_last_lr() == walked.get_last_lr()
    assert go(sought, 20) == go(walked, 20)
    sought.seek(3)
    assert sought.get_last_lr() == [0.1 * schedule(3)]


@pytest.mark.parametrize("order", ["optimizer first", "scheduler first"])
def test_resuming_in_either_order(order):
    def make():
        optimizer = adam()
        return optimizer, LRScheduler(optimizer, {"lr": Cosine(horizon=20).warmup(3), "weight_decay": Linear(horizon=20)})

    optimizer, scheduler = make()
    go(scheduler, 7)
    buffer = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    again, resumed = make()
    loads = [lambda: again.load_state_dict(saved["optimizer"]), lambda: resumed.load_state_dict(saved["scheduler"])]
    for load in loads if order == "optimizer first" else loads[::-1]:
        load()
    assert go(resumed, 10) == go(scheduler, 10)
    assert again.param_groups[0]["weight_decay"] == optimizer.param_groups[0]["weight_decay"]


def test_the_state_is_the_step_and_settings_as_plain_values():
    scheduler = LRScheduler(adam(), MultiStep(milestones=(3, 6)))
    go(scheduler, 4)
    state = json.loads(json.dumps(scheduler.state_dict()))
    assert state["last_epoch"] == 4
    assert state["schedule"]["plans"] == [{"lr": {"name": "multistep", "milestones": [3, 6]}}]
    other = LRScheduler(adam(), MultiStep(milestones=(3, 6)))
    other.load_state_dict(state)
    assert other.get_last_lr() == [0.1 * 0.1]


def test_a_state_of_another_schedule_is_taken_with_a_warning():
    saved = LRScheduler(adam(), Cosine(horizon=10)).state_dict() | {"last_epoch": 5}
    scheduler = LRScheduler(adam(), Cosine(horizon=20))
    with pytest.warns(UserWarning, match=r"saved under .*'horizon': 10.* goes on under .*'horizon': 20"):
        scheduler.load_state_dict(saved)
    assert scheduler.get_last_lr() == [0.1 * Cosine(horizon=20)(5)]


def test_a_state_of_torchs_own_scheduler_has_the_step():
    theirs = torch.optim.lr_scheduler.LambdaLR(adam(), Linear(horizon=10))
    go(theirs, 4)
    scheduler = LRScheduler(adam(), Linear(horizon=10))
    scheduler.load_state_dict(theirs.state_dict())
    assert scheduler.get_last_lr() == theirs.get_last_lr()
    with pytest.raises(InputError, match=r"the state has \['epoch'\]: must have 'last_epoch'"):
        scheduler.load_state_dict({"epoch": 3})


@pytest.mark.parametrize("how", [copy.deepcopy, lambda scheduler: pickle.loads(pickle.dumps(scheduler))])
def test_copies_go_on_by_themselves(how):
    scheduler = LRScheduler(adam(), Linear(horizon=10))
    go(scheduler, 3)
    other = how(scheduler)
    assert go(other, 3) == go(scheduler, 3)
    assert other.optimizer is not scheduler.optimizer


def test_a_tensor_is_filled_in_place():
    rate = torch.tensor(0.5)
    optimizer = torch.optim.Adam([parameter()], lr=rate, capturable=False, foreach=False)
    scheduler = LRScheduler(optimizer, Linear(horizon=4))
    held = optimizer.param_groups[0]["lr"]
    go(scheduler, 2)
    assert optimizer.param_groups[0]["lr"] is held
    assert held.item() == 0.25
    assert held.dtype == torch.float32
    last = scheduler.get_last_lr()[0]
    assert isinstance(last, torch.Tensor)
    assert last is not held
    scheduler.get_lr()[0].fill_(9.0)
    assert held.item() == 0.25


def test_values_that_are_tensors_are_filled_in_place():
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    optimizer.param_groups[0]["own"] = [torch.tensor(2.0), 1.0]
    held = optimizer.param_groups[0]["own"][0]
    go(LRScheduler(optimizer, {"own[0]": Between(Linear(horizon=4), at_zero=0.0, at_one=8.0)}), 2)
    assert held.item() == 4.0


def test_a_compiled_step_is_not_compiled_again():
    torch._dynamo.reset()
    optimizer = torch.optim.Adam([parameter()], lr=torch.tensor(0.5), foreach=False)
    scheduler = LRScheduler(optimizer, Cosine(horizon=10).warmup(2))
    optimizer.param_groups[0]["params"][0].grad = torch.ones(3)
    step = torch.compile(optimizer.step, backend="eager")
    step()
    scheduler.step()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for _ in range(5):
            step()
            scheduler.step()


def test_stepping_before_the_optimizer_is_warned_of():
    scheduler = LRScheduler(adam(), Linear(horizon=10))
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_torchs_way_to_name_a_step():
    scheduler = LRScheduler(adam(), Linear(horizon=10))
    scheduler.optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(5)
    assert scheduler.get_last_lr() == [0.05]


def test_the_horizon_may_be_told_apart_from_the_schedule():
    assert go(LRScheduler(adam(), Linear(), horizon=4), 2)[1] == [0.1 * 0.75]
    with pytest.raises(InputError, match="has no horizon"):
        LRScheduler(adam(), Linear())


def test_a_plateau_multiplies_the_schedule():
    scheduler = LRScheduler(adam(), Linear(horizon=10), plateau=Plateau(factor=0.5, patience=0))
    go(scheduler, 2)
    for value in (1.0, 1.0):
        scheduler.observe(value)
    assert scheduler.get_last_lr() == [pytest.approx(0.1 * 0.8 * 0.5)]
    go(scheduler, 1)
    assert scheduler.get_last_lr() == [pytest.approx(0.1 * 0.7 * 0.5)]
    state = json.loads(json.dumps(scheduler.state_dict()))
    resumed = LRScheduler(adam(), Linear(horizon=10), plateau=Plateau(factor=0.5, patience=0))
    resumed.load_state_dict(state)
    assert resumed.get_last_lr() == scheduler.get_last_lr()
    assert resumed.plateau_state == scheduler.plateau_state
    with pytest.raises(InputError, match=r"the plateau's state has \[\]"):
        resumed.load_state_dict(state | {"plateau": None})


def test_a_value_without_a_plateau_is_refused():
    with pytest.raises(InputError, match="no plateau to look at the value"):
        LRScheduler(adam(), Constant()).observe(1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LRScheduler([parameter()], Constant()), "optimizer is list: must be a torch.optim.Optimizer"),
        (lambda: LRScheduler(adam(), 0.5), "schedule=0.5: must be a schedule"),
        (lambda: LRScheduler(adam(), lambda step: 1.0), "must be a schedule, a dictionary of schedules"),
        (lambda: LRScheduler(adam(), {}), "schedule={}: must be a schedule"),
        (lambda: LRScheduler(adam(), []), "schedule=.*: must hold one schedule a group"),
        (lambda: LRScheduler(adam(), {"lr[a]": Constant()}), "must be a key of a param group"),
        (lambda: LRScheduler(adam(), Constant(), -2), "last_epoch=-2"),
        (lambda: LRScheduler(adam(), Constant()).seek(-1), "step=-1"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("key", ["weight_decai", "betas[2]", "lr[0]", "momentum"])
def test_a_setting_that_no_group_has(key):
    with pytest.raises(UnknownNameError, match="no setting of param group 0 is called") as caught:
        LRScheduler(adam(), {key: Constant()})
    assert caught.value.given == key


def test_momentum_in_one_cycle():
    optimizer = torch.optim.SGD([parameter()], lr=0.1, momentum=0.9)
    one = OneCycle(horizon=20)
    LRScheduler(optimizer, {"lr": one, "momentum": one.momentum()})
    assert optimizer.param_groups[0]["momentum"] == 0.95
    assert math.isclose(optimizer.param_groups[0]["lr"], 0.1 / 25)


def test_inside_accelerate():
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    optimizer = adam()
    wrapped, scheduler = accelerator.prepare(optimizer, LRScheduler(optimizer, Linear(horizon=10)))
    for _ in range(3):
        optimizer.param_groups[0]["params"][0].grad = torch.ones(3)
        wrapped.step()
        scheduler.step()
    assert scheduler.get_last_lr() == [0.1 * Linear(horizon=10)(3)]
