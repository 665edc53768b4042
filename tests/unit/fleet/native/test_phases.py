"""Phases of rules as functions: what they read, change and sum."""

import pytest
import torch

from ravine.fleet.native.phases import PhaseFunction
from ravine.fleet.native.values import Unsupported
from ravine.rules import resolve
from ravine.rules._step import Symbols


def phase(name, kind, shape, more=(), **settings):
    rule, hypers = resolve(name, settings)
    scalars = rule.scalars(Symbols(**hypers, peak_lr=hypers["lr"]), 3)
    return PhaseFunction(rule, kind, [*scalars, *more], shape, torch.float32)


def test_an_update_changes_its_value_and_its_slots_in_place():
    lamb = phase("lamb", "update", (6, 4))
    assert (lamb.changed, lamb.shared, lamb.terms) == ((0, 2, 3), {0, 2, 3}, ())
    assert lamb.rows == [False] * 4


def test_slots_that_stay_are_not_written():
    adafactor = phase("adafactor", "update", (6, 4))
    assert adafactor.changed == (0, 2, 3)
    assert adafactor.shapes == [(6, 4), (6, 4), (6, 1), (1, 4), (0,)]
    assert phase("adafactor", "update", (6,)).changed == (0, 4)


def test_a_row_may_have_numbers_beside_it():
    free = phase("schedule_free_adamw", "update", None)
    assert free.rows == [True, True, True, True, False, False]
    assert free.changed == (0, 2, 3, 4, 5)


def test_a_measurement_has_terms_and_slots():
    prodigy = phase("prodigy", "measure", None, more=("d", "d_max", "r"))
    assert prodigy.terms == ("along", "size")
    assert prodigy.changed == (2, 3, 4)
    assert phase("prodigy", "update", None, more=("old", "new")).changed == (0,)


def test_the_text_does_not_depend_on_what_was_generated_before():
    first, second = (phase("lars", "update", (3, 2)).build.source for _ in range(2))
    assert first == second


def test_a_row_has_no_slots_of_other_shapes():
    with pytest.raises(Unsupported, match="adafactor keeps slots of a shape of their own"):
        phase("adafactor", "update", None)
