"""The fleet's own estimates of the curvature, got without its stack of modules."""

import subprocess
import sys

import pytest
import torch

from ravine.fleet import Lane
from ravine.fleet.curvature import CURVATURE, StackedCurvature, wants
from ravine.fleet.lanes import group_lanes
from ravine.rules import registry
from ravine.schedules import Constant
from ravine.surfaces.curvature import PlaneCurvature
from ravine.surfaces.functions import create
from ravine.surfaces.paths import POSITION, Walk, _Stack


@pytest.mark.parametrize("surface", ["rosenbrock", "3*x + 2*y", "x**2 + 0*y"])
def test_products_are_those_of_the_fleet(surface):
    rule, hypers = registry.resolve("sophia_h", {"lr": 0.1})
    lanes = [Lane(number, rule, hypers, Constant(), seed) for number, seed in enumerate((0, 1, 0))]
    stack = _Stack(Walk(create(surface, start=(0.3, -0.7)), 3), lanes)
    state, training = stack._assembly.state, stack._training
    groups = group_lanes(lanes)
    rules = [group.rule.at(1, None) for group in groups]
    assert all(map(wants, rules))
    noise = torch.tensor([0.5, -0.25], dtype=torch.float64)
    own = PlaneCurvature(stack._model.heights, POSITION, lanes, training).join(groups, rules, state, noise, 1)
    theirs = StackedCurvature(stack._model, lanes, training, shares_batch=True).join(groups, rules, state, noise, 1)
    found, expected = (joined.slots[0][CURVATURE][POSITION] for joined in (own, theirs))
    assert found.shape == (3, 2)
    assert torch.equal(found[0], found[2]), "lanes of a seed share their draws"
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_a_race_on_a_surface_does_not_load_torchs_compiler():
    code = "import sys; import ravine.surfaces as s; s.race('bowl', ['sophia_h', 'adam'], steps=25); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
