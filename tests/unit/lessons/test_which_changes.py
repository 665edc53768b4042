import dataclasses

import numpy as np
import pytest
import torch

from lesson_checks import holding, quick
from ravine.lessons import over_seeds
from ravine.lessons import which_changes as lesson

SETTINGS = lesson.Settings(task="digits", widths=(6, 8, 3), steps=5, pairs=2)
SPLIT = torch.randn(70, 6, generator=torch.Generator().manual_seed(0)), torch.arange(70) % 3


def outputs(*ways, steps=5):
    """Of each way, (pairs, B, C)."""
    found = lesson.train(SPLIT, SPLIT[0], ways, dataclasses.replace(SETTINGS, steps=steps))
    return dict(zip(ways, found.split(SETTINGS.pairs), strict=True))


def test_every_source_changes_the_outputs_and_nothing_does_not():
    found = outputs("base", "start", "order", "dropout", lesson.EVERYTHING, lesson.NOTHING)
    assert torch.equal(found["base"], found[lesson.NOTHING])
    for way in ("start", "order", "dropout", lesson.EVERYTHING):
        assert not torch.equal(found["base"], found[way]), way


def test_only_the_start_changes_a_network_that_is_not_trained():
    found = outputs("base", "start", "order", "dropout", steps=0)
    assert torch.equal(found["base"], found["order"])
    assert torch.equal(found["base"], found["dropout"])
    assert not torch.equal(found["base"], found["start"])


def test_a_last_bit_changes_one_output_by_a_rounding():
    found = outputs("base", "last bit", steps=0)
    changed = (found["base"] != found["last bit"]).any(dim=1)
    assert not changed[:, 1:].any()
    torch.testing.assert_close(found["base"], found["last bit"], rtol=1e-5, atol=1e-6)


def test_churn_is_the_share_of_rows_in_another_class():
    first = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert lesson.churn(first, first).tolist() == [0.0]
    assert lesson.churn(first, first.flip(1)).tolist() == [1.0]
    assert lesson.churn(first, torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])).tolist() == [0.5]


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    with lesson._threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def fail_with_threads(number):
    with lesson._threads(number):
        raise ValueError("stop")


def test_the_number_of_threads_is_put_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="stop"):
        fail_with_threads(before + 1)
    assert torch.get_num_threads() == before


def test_a_source_that_changes_nothing_fails():
    numbers = {source: over_seeds(np.log2([0.01, 0.02, 0.015])) for source in lesson.SOURCES}
    assert set(holding(lesson.PARTS, numbers).values()) == {False}


@pytest.mark.slow
def test_the_quick_form():
    quick("which-changes")
