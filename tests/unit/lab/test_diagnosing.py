import pytest

from ravine.lab.diagnosing import diagnose
from ravine.lab.settings import PRESET

SETTING = {**PRESET, "width": 4, "steps": 40, "task_options": {"target": "sine"}}
RATES = {"adam": 0.01, "sgd": 1e6}


def diagnosed(rates=None, step=4, ran=(0.01, 0.1), **given):
    ended = (step, "its loss was nan")
    return diagnose({**SETTING, **given}, rates or RATES, lane=1, ended=ended, ran={"sgd": list(ran)})


def test_the_rate_is_compared_with_the_sharpness_at_the_start():
    found = diagnosed()
    assert found.startswith("The rate is above 2 / lambda_max (lr=1e+06: its loss was nan at step 4; updates up to")
    assert found.endswith("Use lr=0.1 or less, a warm-up, or clipped gradients.")


@pytest.mark.parametrize(("rates", "step"), [({"sgd": 1.0, "rmsprop": 3.0}, 30), (RATES, 501)], ids=["no-bound", "too-late"])
def test_without_such_a_bound_with_what_ran(rates, step):
    found = diagnosed(rates, step, steps=600, ran=(0.5,))
    assert "too high" in found or "breaks at every rate" in found
    assert "lambda_max" not in found


def test_where_nothing_ran_the_model_is_suspected():
    assert "`ravine doctor TASK` looks at the model" in diagnosed(step=501, steps=600, ran=())
