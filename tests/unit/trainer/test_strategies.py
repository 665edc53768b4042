"""How a model lies over processes: which rules each strategy can run, whose a parameter is, and what is put together at a time."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import ravine
from ravine import optim
from ravine.base.errors import InputError
from ravine.rules.registry import get, names
from ravine.tasks.objective import Objective
from ravine.trainer.distributed import ALONE, Processes
from ravine.trainer.strategies import Shares, Strategy, _blocks, full, lacking, leaves_out, spread

WHOLE_MATRICES = {"adafactor", "muon", "soap", "shampoo"}
ALL_TOGETHER = {"dadapt_adam", "prodigy"}
EVALUATED_ELSEWHERE = {"schedule_free_sgd", "schedule_free_adamw"}
CURVATURE = {"sophia_g", "sophia_h"}


def able(strategy):
    return {name for name in names() if not lacking(get(name).rule(), strategy)}


def test_the_table_of_rules():
    assert set(names()) - able("ddp") == CURVATURE
    assert set(names()) - able("fsdp") == WHOLE_MATRICES | ALL_TOGETHER | EVALUATED_ELSEWHERE | CURVATURE
    assert set(names()) - able("zero1") == {"lamb"} | ALL_TOGETHER | EVALUATED_ELSEWHERE | CURVATURE
    for wrapped in ("adamw+clip", "adamw+ema", "sgd+sam"):
        assert not lacking(get(wrapped).rule(), "ddp")
        assert lacking(get(wrapped).rule(), "fsdp")
        assert lacking(get(wrapped).rule(), "zero1")
    assert not lacking(get("adamw+cautious").rule(), "fsdp")


class Two(Processes):
    """One of two processes, of which the other does nothing."""

    world = 2

    def __init__(self, rank, strategy):
        self.rank, self.strategy = rank, strategy


def objective(model=lambda: nn.Linear(4, 2)):
    x = torch.randn(8, 4)
    task = ravine.Task("t", model, (x, torch.zeros(8).long()), (x, torch.zeros(8).long()), F.cross_entropy)
    return Objective(task.build(0), task), task


@pytest.fixture
def _unwrapped(monkeypatch):
    """DDP needs a process group; who owns what does not."""
    monkeypatch.setattr(nn.parallel, "DistributedDataParallel", lambda module, **_: module)


@pytest.mark.usefixtures("_unwrapped")
def test_a_parameter_is_stepped_by_its_owner_and_taken_over_by_the_others(monkeypatch):
    sent = []
    monkeypatch.setattr(torch.distributed, "broadcast", lambda flat, src: sent.append((src, flat.numel())))
    for rank in (0, 1):
        held, _ = objective(lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
        model, shares = held.model, Shares(held, Two(rank, "zero1"))
        before = [p.detach().clone() for p in model.parameters()]
        optimizer = optim.AdamW(model.parameters(), lr=0.1)
        shares.bind(optimizer, leaves_out=False)
        owned = [place for place in range(4) if shares.owns(place)]
        assert owned == [[0], [1, 2, 3]][rank]  # 12 numbers, and 6 + 3 + 2
        model(torch.ones(1, 4)).sum().backward()
        shares.step(optimizer)
        moved = [place for place, p in enumerate(model.parameters()) if not torch.equal(p, before[place])]
        assert moved == owned
        assert [len(optimizer.state.get(p, {})) > 0 for p in model.parameters()] == [place in owned for place in range(4)]
    assert sent == [(0, 12), (1, 11)] * 2


@pytest.mark.usefixtures("_unwrapped")
@pytest.mark.parametrize(
    ("strategy", "name", "said"),
    [
        ("zero1", "lamb", r"'lamb' with strategy='zero1': it looks at all parameters together\. Use 'ddp' or 'fsdp'\."),
        ("zero1", "prodigy", r"'prodigy' with strategy='zero1': it looks at all parameters together\. Use 'ddp'\."),
        ("zero1", "schedule_free_sgd", r"it keeps weights to evaluate at beside those that it trains\. Use 'ddp'\."),
        ("ddp", "sophia_g", r"'sophia_g' with strategy='ddp': it needs estimates of the curvature.*\. Train it in one process\."),
    ],
)
def test_rules_that_need_more_than_a_process_has_are_refused(strategy, name, said):
    held, _ = objective()
    with pytest.raises(InputError, match=said):
        spread(held, Two(0, strategy)).bind(optim.create(name, held.model.parameters()), leaves_out=False)


@pytest.mark.usefixtures("_unwrapped")
def test_a_users_optimizer_that_switches_weights_is_refused_where_it_has_some_only():
    class Switching(torch.optim.SGD):
        def eval(self):
            pass

    held, _ = objective()
    with pytest.raises(InputError, match=r"strategy='zero1': an optimizer that keeps weights to evaluate at needs all of its state\."):
        spread(held, Two(0, "zero1")).bind(Switching(held.model.parameters(), lr=0.1), leaves_out=False)
    spread(held, Two(0, "zero1")).bind(torch.optim.SGD(held.model.parameters(), lr=0.1), leaves_out=False)


def test_alone_nothing_is_spread():
    held, _ = objective()
    strategy = spread(held, ALONE)
    assert type(strategy) is Strategy
    assert strategy.train is held
    assert strategy.whole(lambda: pytest.fail("made")) is held.model
    assert strategy.empty(None, (2, 3), torch.float64).shape == (2, 3)
    assert strategy.norm([torch.tensor([3.0]), torch.tensor([4.0])]) == 5.0
    assert full({"a": torch.ones(1)}).keys() == {"a"}


def test_blocks_are_members_of_lists_that_share_nothing():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(3))
            self.head = nn.Linear(2, 2)
            self.blocks[1][0].weight = self.head.weight

    net = Net()
    assert list(_blocks(net)) == [net.blocks[0], net.blocks[2]]
    assert list(_blocks(nn.Sequential(nn.Linear(1, 1), nn.Tanh()))) == []


def test_a_layer_that_the_loss_does_not_use_is_noticed():
    held, task = objective()
    assert not leaves_out(held, task.data.train)
    held.model.other = nn.Linear(1, 1)
    assert leaves_out(held, task.data.train)
    held.model.other.requires_grad_(False)
    assert not leaves_out(held, task.data.train)
