import base64

import numpy as np

from ravine.lab.history import FIRST_ROOM, MOST_STEPS, History, floats, numbers


def filled(steps, lanes=2):
    history = History(lanes=lanes)
    for first in range(0, steps, 700):
        rows = np.arange(first, min(first + 700, steps), dtype=np.float32)
        history.add_losses(np.stack([rows, rows + 0.5], axis=1))
    return history


def test_every_step_is_kept_however_many_come():
    history = filled(3 * FIRST_ROOM)
    assert history.steps == 3 * FIRST_ROOM
    np.testing.assert_array_equal(history.losses(0, history.steps)[:, 0], np.arange(3 * FIRST_ROOM))


def test_a_frame_holds_what_is_new_and_no_more_than_a_tab_can_take():
    history = filled(MOST_STEPS + 10)
    first = history.frame(1, 0, 0, -1)
    rest = history.frame(1, first["last"], 0, -1)
    assert (first["last"], rest["first"], rest["last"]) == (MOST_STEPS, MOST_STEPS, MOST_STEPS + 10)
    assert np.frombuffer(base64.b64decode(rest["losses"]), dtype="<f4")[0] == MOST_STEPS


def look(history, step, *, keeps=True):
    history.add_look(step, np.full((2, 3), step, dtype=np.float32), {"gradient_norm": np.array([1.0, np.nan])}, keeps=keeps)


def test_looks_are_found_at_or_before_a_step():
    history = filled(20)
    assert history.look_at(5) is None
    for step in (0, 4, 8):
        look(history, step)
    look(history, 9, keeps=False)
    assert [history.look_at(step)["step"] for step in (0, 3, 7, 8, 9, 15)] == [0, 0, 4, 8, 9, 8]
    assert history.look_at(4)["inspector"] == {"gradient_norm": [1.0, None]}


def test_a_look_is_sent_once():
    history = filled(4)
    look(history, 4)
    assert history.frame(1, 0, 0, -1)["snapshot"]["step"] == 4
    assert history.frame(1, 0, 0, 4)["snapshot"] is None


def test_numbers_cross_as_they_are():
    values = np.array([1.5, np.nan, np.inf], dtype=np.float32)
    assert np.frombuffer(base64.b64decode(floats(values)), dtype="<f4").tobytes() == values.tobytes()
    assert numbers(values) == [1.5, None, None]
