import numpy as np
import pytest
import torch

from lesson_checks import holding, measured, quick
from ravine.lessons import early_stopping as lesson
from ravine.lessons import over_seeds


def test_the_bottom_is_the_lowest_validation_loss():
    run = lesson.Run(np.array([10, 20, 30]), np.array([[3.0, 2.0, 1.0]] * 2), np.array([[2.0, 1.0, 3.0], [3.0, 2.0, 1.0]]))
    assert run.bottom.tolist() == [1, 2]
    assert run.at(run.validation).tolist() == [1.0, 1.0]
    assert run.at(run.train).tolist() == [2.0, 1.0]


def test_a_shift_moves_an_image_by_a_pixel_and_brings_zeros_in():
    image = torch.arange(1.0, 65.0).view(1, 1, 64)
    moved = {place: lesson.shifted(image, torch.tensor(place).view(2, 1, 1)).view(8, 8) for place in ((1, 1), (0, 1), (1, 2))}
    square = image.view(8, 8)
    assert torch.equal(moved[1, 1], square)
    assert torch.equal(moved[0, 1][1:], square[:-1])
    assert (moved[0, 1][0] == 0).all()
    assert torch.equal(moved[1, 2][:, :-1], square[:, 1:])
    assert (moved[1, 2][:, -1] == 0).all()


def test_every_row_is_shifted_by_itself():
    images = torch.rand(2, 3, 64)
    by = torch.randint(3, (2, 2, 3), generator=torch.Generator().manual_seed(0))
    whole = lesson.shifted(images, by)
    for seed in range(2):
        for row in range(3):
            alone = lesson.shifted(images[seed : seed + 1, row : row + 1], by[:, seed : seed + 1, row : row + 1])
            assert torch.equal(whole[seed, row], alone[0, 0])


def test_a_short_training_is_told_of_every_remedy():
    found = measured("early-stopping", lesson.Settings(rows=64, width=8, steps=20, every=10, seeds=2))
    assert set(found.numbers) == {"rises", "falls", *lesson.REMEDIES}
    # Too short to have turned: the bottom is the end, and the reader is told so.
    assert found.numbers["rises"].values == (0.0, 0.0)
    assert len(found.notes) == 1


def test_remedies_that_bring_the_bottom_forward_fail():
    numbers = dict.fromkeys(["rises", "falls", *lesson.REMEDIES], over_seeds([-0.5, -0.4, -0.45, -0.42, -0.47]))
    assert {number for number, holds in holding(lesson.PARTS, numbers).items() if holds} == {"falls"}


@pytest.mark.slow
def test_the_quick_form():
    quick("early-stopping")
