"""Step, multistep and piecewise: known answers and settings."""

import pytest

from ravine.base.errors import InputError
from ravine.schedules import MultiStep, Piecewise, Step


def test_step():
    assert Step(step_size=3, gamma=0.5)([0, 2, 3, 5, 6]).tolist() == [1.0, 1.0, 0.5, 0.5, 0.25]
    assert Step(horizon=100)([29, 30, 59, 60, 90]) == pytest.approx([1.0, 0.1, 0.1, 0.01, 0.001])


def test_multistep():
    assert MultiStep(milestones=[2, 2, 5], gamma=0.5)([1, 2, 4, 5]).tolist() == [1.0, 0.25, 0.25, 0.125]
    assert MultiStep(horizon=8)([3, 4, 5, 6]) == pytest.approx([1.0, 0.1, 0.1, 0.01])


def test_piecewise():
    held = Piecewise(milestones=(2, 4), values=(0.5, 1.0, 0.25))
    assert held([0, 1, 2, 3, 4, 9]).tolist() == [0.5, 0.5, 1.0, 1.0, 0.25, 0.25]
    joined = Piecewise(milestones=(2, 4), values=(0.5, 1.0, 0.25), interpolate=True)
    assert joined([0, 1, 2, 3, 4, 9]).tolist() == [0.5, 0.75, 1.0, 0.625, 0.25, 0.25]
    assert Piecewise(horizon=90)([29, 30, 59, 60, 79, 80]) == pytest.approx([1.0, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_lines_between_milestones_of_one_step():
    assert Piecewise(milestones=(2, 2), values=(1.0, 0.5, 0.0), interpolate=True)([1, 2, 3]).tolist() == [0.75, 0.0, 0.0]


def test_lists_become_tuples_so_that_schedules_compare():
    assert MultiStep(milestones=[2, 5]) == MultiStep(milestones=(2, 5))
    assert hash(Piecewise(milestones=[2], values=[1, 0])) == hash(Piecewise(milestones=(2,), values=(1.0, 0.0)))


def test_which_need_a_horizon():
    assert [kind.needs_horizon for kind in (Step(), Step(step_size=3), MultiStep(), MultiStep(milestones=(3,)))] == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Step(step_size=0), "step_size=0"),
        (lambda: Step(gamma=-0.1), "gamma=-0.1 for 'step': must be above 0"),
        (lambda: MultiStep(milestones=()), r"milestones=\(\) for 'multistep': must be a list"),
        (lambda: MultiStep(milestones="0.5"), "milestones='0.5'"),
        (lambda: MultiStep(milestones=5), "milestones=5"),
        (lambda: MultiStep(milestones=(5, 3)), "must ascend, and be all whole numbers of steps or all shares"),
        (lambda: MultiStep(milestones=(0.5, 700)), "must ascend, and be all whole"),
        (lambda: MultiStep(milestones=(0.5, 1.5)), "milestones=1.5"),
        (lambda: MultiStep(gamma=float("nan")), "gamma=nan"),
        (lambda: Piecewise(values=(1.0, 0.5)), r"values=\(1.0, 0.5\) for 'piecewise': must be 4 multipliers"),
        (lambda: Piecewise(milestones=(3,), values="ab"), "values='ab'"),
        (lambda: Piecewise(milestones=(3,), values=(1.0, -0.5)), "values=-0.5"),
        (lambda: Piecewise(interpolate=1), "interpolate=1 for 'piecewise': must be True or False"),
    ],
)
def test_unusable_settings(make, message):
    with pytest.raises(InputError, match=message):
        make()
