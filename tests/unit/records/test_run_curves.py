"""Series of other tools: order, what a resumed run wrote again, and holes."""

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.records.run_curves import series


def test_rising_steps_are_left_as_they_are():
    found = series("loss", [1, 2, 3], [3.0, float("nan"), float("inf")])
    assert found.steps.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(found.values, [3.0, np.nan, np.inf])
    assert (found.returns, found.replaced, found.gaps) == ((), 0, ())


def test_what_a_resumed_run_wrote_again_takes_the_place_of_the_old():
    steps = [*range(10), *range(6, 15)]
    found = series("loss", steps, [*[1.0] * 10, *[2.0] * 9])
    assert found.steps.tolist() == list(range(15))
    assert found.values.tolist() == [1.0] * 6 + [2.0] * 9
    assert (found.returns, found.replaced) == ((6,), 4)


def test_steps_that_begin_anew_in_every_epoch_are_refused():
    with pytest.raises(InputError, match=r"the steps of 'loss' go back 3 times in 40 values.*--columns step=NAME"):
        series("loss", list(range(10)) * 4, [1.0] * 40)


def test_a_hole_is_told_and_even_spacing_is_none():
    assert series("loss", [0, 10, 20, 30, 400, 410], [1.0] * 6).gaps == ((30, 400),)
    assert series("loss", range(0, 600, 100), [1.0] * 6).gaps == ()
