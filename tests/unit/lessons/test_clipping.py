import numpy as np
import pytest
import torch

from lesson_checks import quick
from ravine.lessons import clipping as lesson
from ravine.lessons._readings import raced


def test_the_answer_is_the_sum_of_the_marked_numbers():
    (x, y), *others = lesson.adding(10, 40)
    assert x.shape == (40, 10, 2)
    assert [len(split[1]) for split in others] == [10, 10]
    assert (x[..., 1].sum(dim=1) == 2).all()
    torch.testing.assert_close((x[..., 0] * x[..., 1]).sum(dim=1, keepdim=True), y)


def test_the_network_begins_as_an_identity_over_time():
    model = lesson.Identity(4)
    states = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    after, _ = model.cell(torch.zeros(1, 3, 2), states[None])
    torch.testing.assert_close(after[0, -1], states[0])


class Lane:
    def __init__(self, number, optimizer, status="done"):
        self.lane, self.optimizer, self.status = number, optimizer, status


class Record:
    """A record of four lanes: one that stays, one that rises to more than twice its start, one that was lost, one at just below."""

    LANES = (Lane(0, "sgd"), Lane(1, "sgd"), Lane(2, "sgd+clip", "diverged"), Lane(3, "sgd+clip"))
    LOSSES = ([1.0, 0.9], [1.0, 2.5, 0.1], [1.0, 1.1], [1.0, 1.9, 0.1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def lanes(self, stage):
        assert stage == "final"
        return self.LANES

    def losses(self, lane):
        return np.array(self.LOSSES[lane])

    def record(self):
        return self


def test_an_explosion_is_a_loss_of_twice_the_start_or_a_lost_lane():
    assert lesson._exploded(Record()) == {"sgd": [False, True], "sgd+clip": [True, False]}


def test_a_race_leaves_no_record(tmp_path):
    with raced("line", optimizers=["sgd"], shared_lr=0.1, steps=3, seeds=1) as result:
        assert result.path.is_file()
    assert not result.path.parent.exists()


@pytest.mark.slow
def test_the_quick_form():
    quick("clipping")
