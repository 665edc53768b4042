import numpy as np
import pytest
import torch

from lesson_checks import holding, quick
from ravine.lessons import overfit_one_batch as lesson
from ravine.lessons import share_of_seeds

SETTINGS = lesson.Settings(rows=8, steps=60, seeds=3)
X, LABELS = torch.rand(8, 64, generator=torch.Generator().manual_seed(0)), torch.arange(8)


def fallen(fault):
    """log10 of the last loss over the first."""
    losses = lesson.learn(X, LABELS, fault, SETTINGS)
    assert losses.shape == (3, 60)
    return np.log10(losses[:, -1] / losses[:, 0])


def test_a_sound_network_learns_and_one_with_other_weights_does_not_move():
    assert (fallen("sound") < -1).all()
    assert (fallen("other weights") == 0).all()


def test_a_second_softmax_bounds_the_loss_from_below():
    losses = lesson.learn(X, LABELS, "softmax twice", SETTINGS)
    assert (losses > np.log(1 + 9 / np.e)).all()


def test_permuted_labels_are_learnt_too():
    assert (fallen(lesson.WRONG) < -0.5).all()


def test_faults_differ_from_a_sound_run():
    sound = lesson.learn(X, LABELS, "sound", SETTINGS)
    assert all(not np.array_equal(lesson.learn(X, LABELS, fault, SETTINGS), sound) for fault in lesson.BUGS)


@pytest.mark.parametrize(("learns", "told"), [(True, True), (False, False)])
def test_parts_follow_the_shares(learns, told):
    numbers = {part.number: share_of_seeds([learns] * 12) for part in lesson.PARTS}
    found = holding(lesson.PARTS, numbers)
    assert found["sound"] is told
    assert all(found[fault] is not told for fault in (*lesson.BUGS, lesson.WRONG))


@pytest.mark.slow
def test_the_quick_form():
    quick("overfit-one-batch")
