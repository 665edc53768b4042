import numpy as np
import pytest

from ravine.base.errors import PlanError
from ravine.fleet import Choice, Evaluations, LossBlock
from ravine.lab.course import CLOSELY, Course, is_kept, plan_of, stride_of
from ravine.lab.curves import make_subject
from ravine.lab.settings import PRESET

RATES = {"sgd": 1e6, "adam": 0.01, "schedule_free_sgd": 0.1}


def setting(**given):
    return {**PRESET, "width": 4, "steps": 45, "schedule": "cosine", "task_options": {"target": "sine"}, **given}


def course(rates=None, **given):
    made = setting(**given)
    return Course(make_subject(made, None, ()), rates or RATES, made)


def whole(course, *counts):
    """All stretches of a race that is asked for so many steps at a time, over and over."""
    stretches = [course.begin()]
    while not course.end:
        stretches += [course.advance(count, looks=True) for count in counts if not course.end]
    return stretches


def bits(stretches):
    losses = np.concatenate([stretch.losses for stretch in stretches]).tobytes()
    looks = {look.step: look for stretch in stretches for look in stretch.looks if is_kept(look.step, 45)}
    shown = {step: (look.predictions.tobytes(), [column.tobytes() for column in look.inside.values()]) for step, look in looks.items()}
    values = [(step, name, column.tobytes()) for s in stretches for step, e in s.evaluations.items() for name, column in e["test"].items()]
    return losses, shown, values, [(end.position, end.step) for stretch in stretches for end in stretch.diverged]


@pytest.fixture(scope="module", params=[None, 48], ids=["all-rows", "batches"])
def at_once(request):
    return request.param, whole(course(batch_size=request.param), 10**6)


def test_however_steps_are_asked_for_the_bits_are_the_same(at_once):
    rows, stretches = at_once
    assert bits(whole(course(batch_size=rows), 1, 7, 3)) == bits(stretches)


def test_lanes_are_those_of_the_fleet_and_so_of_the_command_line(at_once):
    rows, stretches = at_once
    own = course(batch_size=rows)
    lanes = [entry.lane for entry in own.entries]
    run = own.fleet.run(lanes, 45, Evaluations({"validation": frozenset({0})}, own._splits), Choice("stacked", 3, "", {}, 0.0))
    losses = np.concatenate([event.losses[:, np.argsort(event.lanes)] for event in run if isinstance(event, LossBlock)])
    np.testing.assert_array_equal(losses, np.concatenate([stretch.losses for stretch in stretches]))


def test_a_lane_that_diverged_shows_nothing_more(at_once):
    ended = [end for stretch in at_once[1] for end in stretch.diverged]
    assert [end.position for end in ended] == [0]
    look = at_once[1][-1].looks[-1]
    assert np.isnan(look.predictions[0]).all()
    assert np.isfinite(look.predictions[1:]).all()
    assert at_once[1][-1].alive.tolist() == [False, True, True]


def test_all_lanes_begin_alike_and_read_alike_which_is_compared():
    own = course()
    assert len(set(own.weights_marks())) == 1
    assert own.reads_same_batches()
    other = course(seed=8)
    assert other.weights_marks()[0] != own.weights_marks()[0]
    own.begin()
    own.advance(1)
    assert len(set(own.weights_marks())) == 3, "marks tell lanes apart that differ"


def test_the_order_of_batches_has_a_mark():
    assert course().batches_mark() == "all rows"
    assert course(batch_size=16).batches_mark() == course(batch_size=16).batches_mark() != course(batch_size=16, seed=8).batches_mark()


@pytest.mark.parametrize(
    ("stop", "words"),
    [({"target": 10.0}, "has reached a validation loss of 10"), ({"plateau": 1}, "improved by 0.1 %"), ({}, "all 45 steps are taken")],
)
def test_races_end_by_themselves(stop, words):
    own = course({"sgd": 1e-9}, stop=stop)
    assert words in whole(own, 10)[-1].end
    assert own.done == 45 or stop


def test_a_race_without_lanes_left_is_over():
    own = course({"sgd": 1e6})
    assert "every lane has diverged" in whole(own, 100)[-1].end
    assert own.done < 45


@pytest.mark.parametrize("steps", [1, 20, 600, 1000, 50_000])
def test_looks_are_kept_densely_at_first_and_never_too_many(steps):
    kept = [step for step in range(1, steps + 1) if is_kept(step, steps)]
    assert kept[: min(steps, CLOSELY)] == list(range(1, min(steps, CLOSELY) + 1))
    assert len(kept) <= 601
    assert kept[-1] == steps
    assert stride_of(steps) * 568 >= steps


def test_what_does_not_go_together_is_told():
    made = setting()
    with pytest.raises(PlanError, match="sophia_g"):
        plan_of(make_subject(made, None, ()), {"sophia_g": 0.1}, made)


def test_a_look_without_a_step_has_no_gradient():
    own = course()
    own.begin()
    own.advance(3)
    look = own.advance(0, looks=True).looks[0]
    assert look.step == 3
    assert np.isnan(look.inside["gradient_norm"]).all()
    assert np.isfinite(look.predictions[1]).all()
