import doctest
from types import SimpleNamespace as N

import numpy as np
import torch

from ravine import optim
from ravine.rules import soap
from ravine.rules.soap import SOAP

HYPERS = {hyper.symbol: hyper.default for hyper in SOAP.hypers}


def test_examples():
    result = doctest.testmod(soap)
    assert result.attempted > 0
    assert result.failed == 0


def test_work_is_done_at_the_first_step_and_at_the_end_of_every_interval():
    flags = [(rule.on("started"), rule.on("resting")) for rule in (SOAP().at(t, N(**HYPERS)) for t in (1, 2, 10, 11, 12, 21))]
    assert flags == [(False, True), (True, True), (True, True), (True, False), (True, True), (True, False)]
    several = N(**HYPERS | {"precondition_frequency": np.array([3.0, 4.0])})
    assert [SOAP().at(t, several).on("resting") for t in (3, 4, 5, 6)] == [True, False, False, True]


def test_flags_of_the_step_save_work_and_change_nothing():
    start = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = [start.clone(), start.clone()]
    slots = [{slot.symbol: torch.zeros(slot.shape_for((3, 3)), dtype=torch.float64) for slot in SOAP.slots} for _ in weights]
    hypers, generator = N(**HYPERS | {"precondition_frequency": 2.0, "lr": 0.1}), torch.Generator().manual_seed(1)
    for t in range(1, 8):
        g = torch.randn(3, 3, dtype=torch.float64, generator=generator)
        for index, rule in enumerate((SOAP(), SOAP().at(t, hypers))):
            delta, slots[index] = rule.update(weights[index], g, N(**slots[index]), N(**rule.scalars(hypers, t)))
            weights[index] = weights[index] + delta
    assert torch.equal(*weights)
    assert not torch.equal(weights[0], start)


def test_the_first_step_only_sets_the_bases():
    weight = torch.nn.Parameter(torch.ones(3, 2))
    weight.grad = torch.randn(3, 2)
    optimizer = optim.SOAP([weight], weight_decay=0.5)
    optimizer.step()
    assert torch.equal(weight, torch.ones(3, 2))
    basis = optimizer.state[weight]["basis_0"]
    torch.testing.assert_close(basis.mT @ basis, torch.eye(3))
    optimizer.step()
    assert not torch.equal(weight, torch.ones(3, 2))


def test_it_follows_a_turned_problem():
    """Adam's path depends on the coordinates, SOAP's does not."""
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2)))[0]
    straight, turned = (torch.nn.Parameter(torch.zeros(4, 4, dtype=torch.float64)) for _ in range(2))
    for param, by in ((straight, torch.eye(4, dtype=torch.float64)), (turned, turn)):
        optimizer, generator = optim.SOAP([param], lr=0.1, precondition_frequency=2), torch.Generator().manual_seed(3)
        for _ in range(8):
            param.grad = by @ torch.randn(4, 4, dtype=torch.float64, generator=generator)
            optimizer.step()
    torch.testing.assert_close(turned, turn @ straight, rtol=1e-6, atol=1e-8)
    assert straight.abs().max().item() > 0.01
