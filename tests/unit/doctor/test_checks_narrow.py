"""Weights in half precision: updates that are lost, and those that are not."""

import numpy as np
import pytest
import torch

import ravine
from ravine.doctor.checks_narrow import ROUNDED, rounded
from ravine.doctor.loop_log import Looked
from watched_loops import log, measured


def looks(count=6, **changes):
    return [Looked(100 * number, measured(**changes), 0.1) for number in range(count)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"looks": looks(unmoved=[0.9, 0.1])}, ["warning"]),
        ({"looks": looks(unmoved=[0.4, 0.1])}, []),
        ({"looks": looks(unmoved=[float("nan"), float("nan")])}, []),
        ({"looks": looks()}, []),
        ({"looks": looks(count=4, unmoved=[0.9, 0.1])}, []),
        ({"looks": looks(unmoved=[0.9, 0.1]), "losses": np.linspace(2.0, 0.1, 600).tolist()}, ["information"]),
    ],
    ids=["lost", "few are lost", "no gradient", "wide weights", "few looks", "arrived"],
)
def test_updates_that_are_lost(changes, expected):
    found = list(rounded(log(**changes)))
    assert [finding.severity for finding in found] == expected
    assert all(finding.where == "a.weight" for finding in found)


def trained(dtype, weights):
    """A regression whose steps are far below the distance between two numbers in bfloat16."""
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 1).to(dtype)
    optimizer = ravine.optim.AdamW(model.parameters(), lr=1e-5, weights=weights)
    inputs = torch.randn(16, 8)
    with ravine.watch(model, optimizer, every=2) as watch:
        for _ in range(16):
            loss = (model(inputs.to(dtype)).float() - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(loss)
    return [finding.title for finding in watch.findings]


@pytest.mark.parametrize(
    ("dtype", "weights", "is_found"),
    [
        (torch.bfloat16, "plain", True),
        (torch.bfloat16, "master", False),
        (torch.bfloat16, "kahan", False),
        (torch.bfloat16, "stochastic", False),
        (torch.float32, "plain", False),
    ],
    ids=["bfloat16", "master", "kahan", "stochastic", "float32"],
)
def test_a_loop_in_bfloat16(dtype, weights, is_found):
    assert (ROUNDED in trained(dtype, weights)) is is_found
