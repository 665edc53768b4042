import pytest

from ravine.base.errors import InputError
from ravine.lab.settings import LIMITS, PRESET, read_points, read_setting, read_speed, sweep_in_words


def read(curves=(), has_own=True, **given):
    return read_setting(given, has_own=has_own, curves=dict.fromkeys(curves))


def test_what_is_left_out_is_as_at_the_start():
    assert read() == PRESET
    assert read(seed=3)["seed"] == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": -1}, "seed=-1: must be a whole number, at least 0"),
        ({"seed": 1.5}, "seed=1.5: must be a whole number"),
        ({"steps": LIMITS["steps"] + 1}, "at most 50000"),
        ({"width": True}, "width=True: must be a whole number"),
        ({"batch_size": 0}, "Use null for the task's own"),
        ({"optimizers": []}, "Choose at least one"),
        ({"optimizers": "adam"}, "must be a list of names"),
        ({"optimizers": ["adam", "adam"]}, "entered twice"),
        ({"optimizers": ["adam+" * 5 + "clip"]}, "too many parts"),
        ({"optimizers": ["adam"] * 13}, "at most 12"),
        ({"optimizers": ["sgd"], "lrs": {"adam": 1}}, "no rate for sgd"),
        ({"lrs": 0}, "must be above 0"),
        ({"lrs": "0.1"}, "must be a number above 0, 'tuned'"),
        ({"lrs": True}, "must be a number above 0"),
        ({"schedule": "cosinus"}, "did you mean 'cosine'"),
        ({"task": "mnist"}, "no task is called"),
        ({"task_options": []}, "must be an object"),
        ({"task_options": {"target": "formula"}}, "the formula: must be text"),
        ({"task_options": {"target": "formula", "formula": "x" * 1001}}, "at most 1,000 characters"),
        ({"stop": {"target": 0}}, "must be above 0"),
        ({"stop": {"never": 1}}, "no rule to stop by"),
        ({"colour": "red"}, "no setting is called 'colour'"),
    ],
)
def test_what_is_wrong_is_told(given, words):
    with pytest.raises(InputError) as caught:
        read(**given)
    assert words in str(caught.value)


def test_options_are_of_the_task():
    assert read(task="digits", task_options={"target": "sine"})["task_options"] == {}
    assert read(task_options={"target": "csv", "curve": "a"}, curves=["a"])["task_options"] == {"target": "csv", "curve": "a"}
    with pytest.raises(InputError, match="ravine lab --task"):
        read(task="user", has_own=False)


def test_rates_of_optimisers_that_left_are_left_out():
    assert read(optimizers=["sgd"], lrs={"sgd": 1, "adam": 2})["lrs"] == {"sgd": 1.0}
    assert read(lrs="tuned")["lrs"] == "tuned"


def test_rules_to_stop_by_may_be_null():
    assert read(stop={"target": None, "plateau": 100})["stop"] == {"plateau": 100}


def test_speeds():
    assert (read_speed(None), read_speed(5)) == (None, 5.0)
    with pytest.raises(InputError, match="speed=0"):
        read_speed(0)


LINES = [f"{x},{x * x}" for x in range(12)]


@pytest.mark.parametrize(
    "text",
    ["\n".join(LINES), "a,b\n" + "\r\n".join(LINES) + "\n\n", "\n".join(LINES).replace(",", ";"), "\n".join(LINES).replace(",", "\t")],
)
def test_points_are_read(text):
    assert read_points(text) == [(float(x), float(x * x)) for x in range(12)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "must be text"),
        ("", "has 0 points"),
        ("\n".join([*LINES, "x,y"]), "line 13 of the CSV is 'x,y'"),
        ("\n".join([*LINES, "1,2,3"]), "must be two finite numbers"),
        ("\n".join([*LINES, "1,nan"]), "must be two finite numbers"),
        ("1,2\n" * 12, "all points of the CSV have one x"),
        ("1,2\n" * 5001, "more than 5,000 points"),
    ],
)
def test_points_that_cannot_be_used_are_told(text, words):
    with pytest.raises(InputError) as caught:
        read_points(text)
    assert words in str(caught.value)


def test_sweeps_are_told_with_their_steps():
    assert "300 steps" in sweep_in_words(PRESET)
    assert "50 steps" in sweep_in_words({**PRESET, "steps": 50})
