"""Which rate is the best, on measures that are given; and what is said of how it was chosen."""

import math

import numpy as np
import pytest

from ravine.surfaces.functions import create
from ravine.surfaces.measures import Measured
from ravine.surfaces.tuning import GRID, best_rate, sentence


def measured(arrived, heights, stays=None):
    """Of rates with one seed each, or a row of seeds a rate."""
    arrived, heights = np.atleast_2d(np.array(arrived, dtype=float).T).T, np.atleast_2d(np.array(heights, dtype=float).T).T
    stays = np.ones(arrived.shape, dtype=bool) if stays is None else np.array(stays)[:, None]
    empty = np.zeros((1, arrived.size))
    found = Measured(empty[..., None], empty, empty, 0.0, empty[0], arrived.ravel(), heights.ravel(), stays.ravel())
    return found, np.arange(arrived.size).reshape(arrived.shape)


NEVER = math.inf


@pytest.mark.parametrize(
    ("arrived", "heights", "best"),
    [
        ([NEVER, 50, 20, 30], [0.0, 0.1, 0.3, 0.0], 2),
        ([20, 20, 20], [0.3, 0.1, 0.2], 1),
        ([NEVER, NEVER, NEVER], [3.0, 1.0, 2.0], 1),
        ([NEVER, NEVER, NEVER], [math.inf] * 3, 0),
        ([NEVER, NEVER, 40], [0.0, 0.0, 5.0], 2),
    ],
)
def test_fewest_steps_then_the_lowest_height(arrived, heights, best):
    assert best_rate(*measured(arrived, heights)) == best


def test_a_rate_whose_path_leaves_the_picture_is_chosen_only_if_all_do():
    assert best_rate(*measured([30, 3], [0, 0], stays=[True, False])) == 0
    assert best_rate(*measured([30, 3], [0, 0], stays=[False, False])) == 1


def test_under_noise_the_height_alone_counts():
    found, places = measured([2, 30], [1.0, 0.1])
    assert best_rate(found, places) == 0
    assert best_rate(found, places, is_noisy=True) == 1


def test_over_seeds_the_median_counts():
    assert best_rate(*measured([[10, 10, NEVER], [20, 20, 20], [NEVER, NEVER, 1]], [[0, 0, 9], [0, 0, 0], [0, 0, 0]])) == 0


def test_the_grid_is_even_and_wide():
    ratios = np.diff(np.log10(GRID))
    assert (GRID[0], GRID[-1], len(GRID)) == (1e-5, 100.0, 29)
    assert ratios == pytest.approx(0.25, abs=2e-3)


@pytest.mark.parametrize(
    ("is_tuned", "is_noisy", "grid", "words"),
    [
        (
            True,
            False,
            GRID,
            "best of the same 29 rates from 1e-05 to 100 whose path stays in the picture: fewest steps until it stays within",
        ),
        (True, True, GRID, "the lowest mean height over the last 10% of 300 steps; steps are counted until it is first within"),
        (False, False, (0.1,), "every optimiser at the shared rate 0.1 for 300 steps, which is not the best of each"),
        (False, False, (0.1, 0.2), "rates as given, 300 steps"),
    ],
)
def test_the_protocol_is_one_sentence(is_tuned, is_noisy, grid, words):
    assert words in sentence(create("bowl"), grid, 300, is_tuned=is_tuned, is_noisy=is_noisy)


def test_without_a_minimum_no_steps_are_counted():
    said = sentence(create("x + y"), GRID, 300, is_tuned=True)
    assert "minimum" not in said
    assert said.endswith("the lowest mean height over the last 10% of 300 steps")
