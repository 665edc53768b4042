import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ravine.report.thinning import thinned


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.just(float("inf"))), max_size=300), st.integers(1, 40))
def test_no_extreme_of_a_column_is_lost(values, columns):
    values = np.array(values)
    steps, kept = thinned(values, columns=columns, span=max(len(values), 1))
    known = np.flatnonzero(np.isfinite(values))
    assert np.array_equal(kept, values[steps])
    assert np.all(np.diff(steps) > 0)
    assert len(steps) <= 2 * columns + 2
    if known.size:
        assert (steps[0], steps[-1]) == (known[0], known[-1])
        column = known * columns // max(len(values), 1)
        for number in set(column.tolist()):
            inside = values[known[column == number]]
            shown = kept[steps * columns // max(len(values), 1) == number]
            assert (shown.min(), shown.max()) == (inside.min(), inside.max())


def test_a_spike_of_one_step_stays_and_a_short_curve_is_whole():
    values = np.ones(10_000)
    values[777] = 50.0
    steps, kept = thinned(values, columns=20, span=10_000)
    assert 777 in steps
    assert kept.max() == 50.0
    assert thinned(np.array([2.0, 1.0]), columns=5, span=9)[0].tolist() == [0, 1]
    assert thinned(np.array([np.nan]), columns=5, span=9)[0].size == 0
