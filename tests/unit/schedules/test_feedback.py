"""The plateau: against torch's, its state, and values that are no numbers."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ravine.base.errors import InputError, UnknownNameError
from ravine.schedules import Plateau, PlateauState


def run(plateau, values):
    state, found = PlateauState(), []
    for value in values:
        state = plateau.after(state, value)
        found.append(plateau(state))
    return found, state


@given(
    st.lists(st.one_of(st.floats(0.01, 10), st.just(float("nan"))), min_size=1, max_size=60),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from(["min", "max"]),
    st.sampled_from(["rel", "abs"]),
)
@settings(deadline=None, max_examples=60)
def test_it_is_torchs_for_values_above_zero(values, patience, cooldown, mode, threshold_mode):
    plateau = Plateau(0.5, patience, 0.05, threshold_mode=threshold_mode, mode=mode, cooldown=cooldown, floor=0.1)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, 0.5, patience, 0.05, threshold_mode, cooldown, min_lr=0.1, eps=0.0)
    expected = []
    for value in values:
        theirs.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(run(plateau, values)[0], expected, rtol=1e-12)


def test_patience_and_cooldown():
    found, state = run(Plateau(factor=0.5, patience=1, cooldown=2), [1.0] * 9)
    assert found == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert state == PlateauState(best=1.0, bad=0, cooldown=0, reductions=2)


def test_better_by_less_than_the_threshold_is_not_better():
    for values, best in (([1.0, 0.95], 1.0), ([1.0, 0.85], 0.85), ([-1.0, -1.05], -1.0), ([-1.0, -1.15], -1.15), ([-1.0, -0.95], -1.0)):
        assert run(Plateau(threshold=0.1), values)[1].best == best
    assert run(Plateau(threshold=0.1, mode="max"), [-1.0, -0.85])[1].best == -0.85
    assert run(Plateau(threshold=0.1, threshold_mode="abs"), [100.0, 99.5])[1].best == 99.5


def test_no_numbers_are_no_improvement():
    found, state = run(Plateau(factor=0.5, patience=0), [math.nan, math.inf, 3.0, math.nan])
    assert found == [0.5, 0.25, 0.25, 0.125]
    assert state.best == 3.0
    with pytest.raises(InputError, match="value='low': must be a number"):
        Plateau().after(PlateauState(), "low")


def test_reductions_do_not_add_up_errors_and_stop_at_the_floor():
    plateau = Plateau(factor=0.1)
    assert plateau(PlateauState(reductions=3)) == 0.1**3
    assert Plateau(factor=0.1, floor=0.05)(PlateauState(reductions=2)) == 0.05


def test_a_state_is_never_changed_and_comes_back_from_a_dictionary():
    plateau, state = Plateau(), PlateauState(best=1.0, bad=2)
    plateau.after(state, 0.5)
    assert state == PlateauState(best=1.0, bad=2)
    assert plateau.restored(dataclasses.asdict(state)) == state
    with pytest.raises(InputError, match=r"the plateau's state has \['best'\]: must have"):
        plateau.restored({"best": 1.0})


@pytest.mark.parametrize(
    "given", [{"factor": 1.0}, {"factor": 0.0}, {"patience": -1}, {"threshold": -1.0}, {"cooldown": 1.5}, {"floor": 2.0}]
)
def test_unusable_settings(given):
    with pytest.raises(InputError, match=f"{next(iter(given))}="):
        Plateau(**given)


def test_unknown_words():
    with pytest.raises(UnknownNameError, match="no mode of 'plateau' is called 'mim'; did you mean 'min'"):
        Plateau(mode="mim")
    with pytest.raises(UnknownNameError, match="no threshold_mode of 'plateau' is called 'relative'; did you mean 'rel'"):
        Plateau(threshold_mode="relative")
