import doctest
import inspect
from typing import Unpack

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError
from ravine.optim import classes, creating
from ravine.optim._storage import StateOptions

CLASSES = list(creating.CLASSES.values())
IN_TORCH = [cls for cls in CLASSES if hasattr(torch.optim, cls.__name__)]


def leaf(cls=None):
    """A parameter that the class takes: Muon takes matrices."""
    return torch.nn.Parameter(torch.ones((2, 1) if cls is optim.Muon else 2))


def test_examples():
    result = doctest.testmod(classes)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("cls", IN_TORCH, ids=lambda cls: cls.__name__)
def test_signatures_are_torchs_position_by_position(cls):
    ours, theirs = (list(inspect.signature(which).parameters.values()) for which in (cls, getattr(torch.optim, cls.__name__)))
    assert [(p.name, p.kind) for p in ours[: len(theirs)]] == [(p.name, p.kind) for p in theirs]
    assert [p.default for p in ours[1 : len(theirs)]] == [p.default for p in theirs[1:]]
    *more, options = ours[len(theirs) :]
    more += [options] * (options.kind is not inspect.Parameter.VAR_KEYWORD)
    assert options in more or options.annotation == Unpack[StateOptions]
    assert {p.kind for p in more} == {inspect.Parameter.KEYWORD_ONLY}
    assert more[-1].name == "driver"


def scheduled(optimizer, scheduler):
    """The optimizer two steps into a schedule of torch that keeps keys of its own in the groups."""
    momentum = "momentum" in optimizer.defaults or "betas" in optimizer.defaults
    if scheduler == "OneCycleLR":
        running = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=9, cycle_momentum=momentum)
    else:
        running = torch.optim.lr_scheduler.CyclicLR(optimizer, base_lr=0.01, max_lr=0.1, step_size_up=3, cycle_momentum=momentum)
    for _ in range(2):
        param = optimizer.param_groups[0]["params"][0]
        param.grad = torch.ones_like(param)
        optimizer.step()
        running.step()
    return optimizer


@pytest.mark.parametrize("scheduler", ["OneCycleLR", "CyclicLR"])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_state_dicts_with_a_schedulers_keys_are_exchanged(cls, scheduler):
    settings = {"lr": 0.01} | ({"momentum": 0.9} if "momentum" in cls([leaf(cls)]).defaults else {})
    own = scheduled(cls([leaf(cls)], **settings), scheduler)
    assert set(own.param_groups[0]) & {"max_lr", "base_momentum", "initial_lr"}
    sources = [own]
    if cls in IN_TORCH:
        theirs = getattr(torch.optim, cls.__name__)
        sources.append(scheduled(theirs([leaf(cls)], **settings), scheduler))
        theirs([leaf(cls)], **settings).load_state_dict(own.state_dict())
    for source in sources:
        loaded = cls([leaf(cls)], **settings)
        loaded.load_state_dict(source.state_dict())
        kept = {key: value for key, value in source.param_groups[0].items() if key.endswith(("lr", "momentum"))}
        assert kept.items() <= loaded.param_groups[0].items()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_defaults_are_the_rules(cls):
    defaults = cls([leaf(cls)]).defaults
    for hyper in cls.rule.hypers:
        value = defaults[hyper.group_key]
        assert (value if hyper.index is None else value[hyper.index]) == hyper.default
    for flag in cls.rule.flags:
        if not flag.of:
            assert defaults[flag.name] == flag.default


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_setting_lives_in_the_groups(cls):
    optimizer = cls([leaf(cls)])
    assert optimizer.param_groups[0].keys() - {"params"} == optimizer.defaults.keys()
    own = vars(optimizer).keys() - vars(torch.optim.SGD([leaf()])).keys()
    assert own <= {"_warned_capturable_if_run_uncaptured"}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_is_a_torch_optimizer(cls):
    assert issubclass(cls, torch.optim.Optimizer)
    torch.optim.lr_scheduler.LinearLR(cls([leaf(cls)]))


def test_adam_points_to_adamw():
    with pytest.raises(InputError, match="Use AdamW"):
        optim.Adam([leaf()], decoupled_weight_decay=True)


def test_adamw_says_what_multiplies_its_decay():
    optimizer = optim.AdamW([{"params": [leaf()]}, {"params": [leaf()], "decoupled": "lr"}], decoupled="schedule")
    assert [group["schedule_decay"] for group in optimizer.param_groups] == [True, False]
    assert all("decoupled" not in group for group in optimizer.param_groups)
    with pytest.raises(InputError, match=r"decoupled='rate' for AdamW: must be 'lr', .* or 'schedule', .* Leave it out for 'lr'\."):
        optim.AdamW([leaf()], decoupled="rate")
    with pytest.raises(InputError, match=r"decoupled=True for AdamW, group 1: must be 'lr'"):
        optimizer = optim.AdamW([{"params": [leaf()]}, {"params": [leaf()], "decoupled": True}])


def test_adagrad_saves_a_starting_state_for_parameters_without_a_gradient():
    theirs = torch.optim.Adagrad([leaf()], initial_accumulator_value=0.5)
    theirs.load_state_dict(optim.Adagrad([leaf()], initial_accumulator_value=0.5).state_dict())
    theirs.param_groups[0]["params"][0].grad = torch.ones(2)
    theirs.step()
    state = next(iter(theirs.state.values()))
    assert state["sum"].tolist() == [1.5, 1.5]
