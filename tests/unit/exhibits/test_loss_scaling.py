"""Gradients in narrow formats: the limits, the usual example, and what holds of every cast."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ravine.base.errors import InputError, UnknownNameError
from ravine.exhibits.loss_scaling import DTYPES, FATES, SCALE, TEXTBOOK, cast_gradients, model_gradients, number_format
from ravine.tasks import create

POSITIVE = st.floats(1e-30, 1e30)


def test_the_limits_of_the_formats():
    half = number_format("fp16")
    assert (half.largest, half.smallest_normal, half.smallest, half.spacing) == (65504, 2.0**-14, 2.0**-24, 2.0**-10)
    assert number_format("bf16").smallest == 2.0**-133
    assert (number_format("fp8_e4m3").largest, number_format("fp8_e4m3").smallest) == (448, 2.0**-9)
    assert (number_format("fp8_e5m2").largest, number_format("fp8_e5m2").smallest) == (57344, 2.0**-16)


@pytest.mark.parametrize("name", DTYPES)
def test_the_limits_are_what_a_cast_does(name):
    limits = number_format(name)
    wide = torch.tensor([limits.largest, limits.smallest, limits.smallest / 2, limits.smallest * 0.51])
    assert wide.to(DTYPES[name]).double().tolist() == [limits.largest, limits.smallest, 0.0, limits.smallest]


def test_the_usual_example_in_fp16():
    found = cast_gradients(TEXTBOOK, ["fp16"])
    assert found.cast("fp16", 1.0).fates == ("survives", "coarse", "coarse", "coarse", "vanishes")
    assert found.cast("fp16", SCALE).fates == ("survives",) * 5
    # Half of the least number rounds to nothing, more than half to all of it: 4e-8 is kept as 6e-8.
    assert found.cast("fp16", 1.0).kept[3] == 2.0**-24


def test_bf16_needs_no_scale_and_fp8_more_than_one():
    found = cast_gradients()
    assert set(found.cast("bf16", 1.0).fates) == {"survives"}
    assert found.cast("fp8_e4m3", 1.0).fates.count("vanishes") == 4
    assert cast_gradients([1.0], ["fp16", "fp8_e4m3"], [2.0**17]).casts[0].fates == ("overflows",)
    assert cast_gradients([1.0], ["fp8_e4m3"], [2.0**9]).casts[0].fates == ("overflows",), "it stops at its largest number"
    assert cast_gradients([448.0], ["fp8_e4m3"], [1.0]).casts[0].fates == ("survives",), "the largest number itself is one"


@given(POSITIVE, st.sampled_from(sorted(DTYPES)), st.integers(-20, 20))
def test_a_gradient_that_survives_is_near_and_one_that_does_not_is_out_of_range(g, name, power):
    limits, scale = number_format(name), 2.0**power
    cast = cast_gradients([g], [name], [scale]).casts[0]
    scaled, kept = g * scale, float(cast.kept[0])
    match cast.fates[0]:
        case "survives":
            assert abs(kept - g) <= (limits.spacing / 2 + 2.0**-22) * g
        case "vanishes":
            assert scaled <= limits.smallest / 2 * (1 + 1e-6)
        case "coarse":
            assert limits.smallest / 2 * (1 - 1e-6) <= scaled < limits.smallest_normal
        case "overflows":
            assert scaled > limits.largest


@given(st.floats(2.0**-14, 1e3), st.integers(0, 5))
def test_scales_of_powers_of_two_change_no_digit_within_the_range(g, power):
    one, other = (cast_gradients([g], ["fp16"], [2.0**exponent]).casts[0].kept[0] for exponent in (0, power))
    assert one == other


def test_shares_and_signs():
    found = cast_gradients([-1.0, 1e-9, 1e-9, 1e9], ["fp16"], [1.0]).casts[0]
    assert found.shares == {"survives": 0.25, "coarse": 0.0, "vanishes": 0.5, "overflows": 0.25}
    assert list(found.shares) == list(FATES)
    assert found.kept[0] == 1.0


def test_a_summary_has_no_infinity():
    found = cast_gradients([1e9, 1.0], ["fp16"], [1.0]).summary()
    assert found["casts"][0]["kept"] == [None, 1.0]
    assert cast_gradients(np.ones(101), ["fp16"], [1.0]).summary()["gradients"] is None


@pytest.mark.parametrize("gradients", [[], [0.0], [1.0, math.inf], [math.nan]])
def test_gradients_that_cannot_be_drawn(gradients):
    with pytest.raises(InputError, match="gradients: must be finite numbers other than 0, at least one"):
        cast_gradients(gradients)


def test_a_scale_and_a_format_that_are_none():
    with pytest.raises(InputError, match="scale=0: must be above 0 and finite"):
        cast_gradients(scales=[0])
    with pytest.raises(UnknownNameError, match="no narrow format is called 'fp8'; did you mean 'fp16' or 'fp8_e5m2' or 'fp8_e4m3'"):
        cast_gradients(formats=["fp8"])


def test_a_model_s_gradients():
    task = create("line")
    first, later = model_gradients(task), model_gradients(task, 5, formats=["bf16"], scales=[1.0])
    assert (len(first.gradients), first.source) == (2, "line, before the first step")
    assert later.source == "line, after 5 steps"
    assert [cast.format.name for cast in later.casts] == ["bf16"]
    assert (later.gradients != first.gradients).all()
    assert model_gradients(task, 5).gradients.tolist() == later.gradients.tolist(), "the same seed, the same gradients"
    with pytest.raises(InputError, match="after=-1"):
        model_gradients(task, -1)
