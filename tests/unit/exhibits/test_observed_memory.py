"""The formula of memory against what is really there: tensors' storages, and torch's own count of allocations."""

import contextlib

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from ravine.base.errors import InputError
from ravine.exhibits.memory import Model, Plan, memory_of
from ravine.exhibits.observed_memory import observed, stepped
from ravine.rules import names

SHAPE = (64, 128)
KEPT = [{}, {"bits": 8}, {"bits": 16}, {"precision": "pure_bf16"}, {"precision": "mixed", "weights": "kahan"}]


def plans():
    """Every optimiser in every way in which its class keeps state and weights."""
    for name in names():
        for kept in KEPT:
            with contextlib.suppress(InputError):
                yield Plan(name, **kept)


PLANS = list(plans())


def formula(plan):
    return memory_of(Model("one matrix", SHAPE[0] * SHAPE[1], tensors=(("matrix", SHAPE),)), plan).parts


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.label)
def test_the_formula_is_what_every_drop_in_class_holds(plan):
    assert observed(plan, SHAPE) == formula(plan)


def test_every_optimiser_is_held_to_it_and_most_in_every_way():
    assert {plan.optimizer for plan in PLANS} == set(names())
    assert len(PLANS) > 0.8 * len(names()) * len(KEPT)


def test_state_on_average_is_that_of_a_square_matrix_where_only_the_number_is_known():
    assert observed(Plan("adafactor"), (1024, 1024))["state"] == 2 * 1024 * 4 + 4


@pytest.mark.parametrize("plan", [Plan("adamw"), Plan("lion", bits=8), Plan("adamw", "mixed")], ids=lambda plan: plan.label)
def test_torch_s_allocator_counts_the_same(plan):
    stepped(plan, SHAPE)  # whatever a first step loads
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        held = stepped(plan, SHAPE)
    allocated = sum(event.self_cpu_memory_usage for event in profiler.key_averages())
    assert isinstance(held[0], torch.nn.Parameter)
    assert allocated == sum(formula(plan).values())


def test_zero_cannot_be_observed():
    with pytest.raises(InputError, match="zero=1: one process is observed, which divides nothing"):
        observed(Plan(zero=1, shards=2))
