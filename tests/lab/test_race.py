"""The race page's interface, asked over HTTP of a lab with its real processes."""

import base64
import subprocess
import sys

import numpy as np
import pytest

from lab_client import wait_for
from ravine.records import open_record

RATES = {"momentum": 0.1, "adam": 0.01, "sgd": 1e6}
SETTING = {"optimizers": list(RATES), "lrs": RATES, "steps": 48, "width": 8, "seed": 7}


def as_floats(text, columns):
    return np.frombuffer(base64.b64decode(text), dtype="<f4").reshape(-1, columns)


@pytest.fixture(scope="module")
def race(lab):
    """A race that ran to its end, and the events that a tab had of it."""
    name = lab.session(**SETTING)
    events = []
    stream = lab.events(name)
    events.append(next(stream))
    lab.control(name, "play")
    for event in stream:
        events.append(event)
        if event[0] == "end":
            break
    yield name, events
    lab.control(name, "end")


def losses_of(events, lanes=3):
    return np.concatenate([as_floats(data["losses"], lanes) for kind, _, data in events if kind == "frame"])


def test_the_first_event_is_the_whole_state(race):
    name, events = race
    kind, number, hello = events[0]
    assert (kind, number, hello["session"], hello["state"], hello["step"], hello["resumes_at"]) == ("hello", "1-0", name, "paused", 0, 0)
    assert [(lane["optimizer"], lane["lr"]) for lane in hello["lanes"]] == list(RATES.items())
    assert as_floats(hello["grid"], 1).shape == as_floats(hello["target"], 1).shape == (161, 1)
    assert hello["data"]["count"] == 128
    assert "48 steps" in hello["protocol"]
    assert "seed 7" in hello["protocol"]


def test_the_badge_is_a_comparison(race):
    same = race[1][0][2]["same_weights"]
    assert same["asserted"] is True
    assert (len(same["weights"]), same["batches"], same["seed"]) == (16, "all rows", 7)


def test_every_step_comes_once_and_in_order(race):
    frames = [data for kind, _, data in race[1] if kind == "frame"]
    assert [frame["first"] for frame in frames] == [0, *(frame["last"] for frame in frames[:-1])]
    assert frames[-1]["last"] == 48
    assert losses_of(race[1]).shape == (48, 3)
    assert np.isfinite(losses_of(race[1])[:, :2]).all()


def test_a_lane_that_diverged_is_told_with_a_remedy_and_has_no_losses_afterwards(race):
    found = [data for kind, _, data in race[1] if kind == "diverged"]
    assert {one["lane"] for one in found} == {2}
    step = found[0]["step"]
    assert 1 < step < 20
    assert found[0]["reason"].startswith(("its loss was", "the update made"))
    sgd = losses_of(race[1])[:, 2]
    assert np.isfinite(sgd[: step - 1]).all()
    assert np.isnan(sgd[step:]).all()
    assert race[1][-1][2]["reason"] == "all 48 steps are taken"


def test_the_cause_is_found_out(lab, race):
    session = lab.lab.races.sessions[race[0]]
    told = wait_for(lambda: [said for said in session.history.said if said["kind"] == "diverged"][1:])
    assert told[0]["remedy"].startswith("The rate is above 2 / lambda_max")
    assert "or less, a warm-up, or clipped gradients" in told[0]["remedy"]


def test_looks_are_kept_to_scrub_back_to(lab, race):
    name, _ = race
    found = lab.get(f"/api/sessions/{name}/frame?step=20").json()
    assert found["step"] == 20
    predictions = as_floats(found["predictions"], 161)
    assert np.isfinite(predictions[:2]).all()
    assert np.isnan(predictions[2]).all()
    assert found["inspector"]["lr"] == [0.1, 0.01, None]
    assert found["inspector"]["v_norm"][0] is None, "momentum has no second moment"
    assert found["inspector"]["v_norm"][1] > 0


def test_a_tab_that_comes_back_gets_what_it_lacks(lab, race):
    name, events = race
    stream = lab.events(name, since="1-30")
    kinds = [next(stream), next(stream)]
    (_, _, hello), (_, number, frame) = kinds
    assert (hello["resumes_at"], hello["state"], hello["diverged"][0]["lane"]) == (30, "done", 2)
    assert (frame["first"], frame["last"], number) == (30, 48, "1-48")
    np.testing.assert_array_equal(as_floats(frame["losses"], 3), losses_of(events)[30:])
    by_header = lab.events(name, **{"last-event-id": "1-30"})
    assert next(by_header)[2]["resumes_at"] == 30


@pytest.mark.parametrize("given", ["", "0-12", "1-9999", "x", "1-\u00b2", "9" * 40])
def test_a_cursor_of_elsewhere_begins_anew(lab, race, given):
    assert next(lab.events(race[0], since=given))[2]["resumes_at"] == 0


def test_several_tabs_watch_one_session(lab, race):
    first, second = lab.events(race[0]), lab.events(race[0])
    assert next(first)[2] == next(second)[2]


def test_slow_or_fast_the_bits_are_the_same(lab, race):
    name, events = race
    assert lab.control(name, "reset").json() == {"revision": 2}
    session = lab.lab.races.sessions[name]
    wait_for(lambda: session.state == "paused")
    lab.control(name, "speed", speed=150)
    lab.control(name, "step")
    wait_for(lambda: session.history.steps == 1)
    lab.control(name, "play")
    wait_for(lambda: session.history.steps > 5)
    lab.control(name, "pause")
    assert session.history.steps < 48
    lab.control(name, "speed", speed=400)
    lab.control(name, "play")
    wait_for(lambda: session.state == "done")
    again = session.history.losses(0, 48)
    assert again.tobytes() == losses_of(events).tobytes()


def test_code_command_and_python_of_the_run(lab, race):
    found = lab.get(f"/api/sessions/{race[0]}/code?lane=1").json()
    assert list(found["scripts"]) == ["adam"]
    assert "LR = 0.01" in found["scripts"]["adam"]
    assert "ravine" not in found["scripts"]["adam"].partition('"""\n\n')[2]
    assert found["command"] == ""
    assert 'ravine.tasks.load("curve:two-bumps,width=8")' in found["python"]


def test_a_race_is_kept_in_a_record_which_is_never_replaced(lab, race):
    assert lab.post(f"/api/sessions/{race[0]}/save", {"name": "kept.ravine"}).json() == {"file": "kept.ravine"}
    path = lab.lab.folder / "kept.ravine"
    with open_record(path) as record:
        assert record.meta["status"] == "done"
        assert [lane.status for lane in record.lanes()] == ["done", "done", "diverged"]
        np.testing.assert_array_equal(record.losses(1), losses_of(race[1])[:, 1])
    shown = subprocess.run([sys.executable, "-m", "ravine", "show", str(path)], capture_output=True, text=True, check=False)
    assert (shown.returncode, "adam" in shown.stdout) == (0, True)
    again = lab.post(f"/api/sessions/{race[0]}/save", {"name": "kept.ravine"})
    assert (again.status_code, again.json()["error"]) == (400, "kept.ravine exists already and is never replaced: give another name.")


@pytest.mark.parametrize("name", ["../x.ravine", "/tmp/x.ravine", "x", "", ".ravine", None, "a/b.ravine", "x.ravine\n"])
def test_a_record_lies_in_the_folder_of_the_lab(lab, race, name):
    refused = lab.post(f"/api/sessions/{race[0]}/save", {"name": name})
    assert refused.status_code == 400
    assert "must be a file name" in refused.json()["error"]


def test_landmarks_come_from_a_sweep(lab, race):
    found = lab.get(f"/api/sessions/{race[0]}/landmarks").json()
    sgd = found["by_optimizer"]["sgd"]
    assert list(found["by_optimizer"]) == list(RATES)
    assert (found["steps"], len(sgd["rates"]), sgd["default"]) == (48, 12, 0.001)
    assert sgd["tuned"] < sgd["diverges_above"]
    assert None in sgd["losses"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"optimizers": ["adm"]}, "did you mean 'adam'"),
        ({"optimizers": ["sophia_g"]}, "sophia_g"),
        ({"steps": 0}, "steps=0: must be a whole number, at least 1"),
        ({"task": "user"}, "ravine lab --task"),
        ({"nonsense": 1}, "no setting is called 'nonsense'"),
        ({"task_options": {"target": "formula", "formula": "__import__('os')"}}, "is not known"),
        ({"task_options": {"target": "csv", "curve": "gone"}}, "send the file again"),
    ],
)
def test_what_is_not_possible_is_refused_in_a_sentence(lab, setting, words):
    before = list(lab.lab.races.sessions)
    refused = lab.post("/api/sessions", setting)
    assert refused.status_code == 400
    assert words in refused.json()["error"]
    assert list(lab.lab.races.sessions) == before


def test_a_setting_that_is_refused_leaves_the_race_as_it_was(lab, race):
    revision = lab.lab.races.sessions[race[0]].revision
    refused = lab.control(race[0], "settings", setting={"task_options": {"target": "formula", "formula": "1/x"}})
    assert refused.status_code == 400
    assert "must be finite" in refused.json()["error"]
    assert lab.lab.races.sessions[race[0]].revision == revision


def test_rates_are_tuned_after_the_answer_and_the_tabs_are_told_how_far_it_is(lab):
    made = lab.post("/api/sessions", {"optimizers": ["sgd", "adam"], "lrs": "tuned", "steps": 24, "width": 4}).json()
    assert made["state"] == "preparing"
    messages, lanes = [], []
    for kind, _, data in lab.events(made["session"]):
        if kind in ("hello", "status"):
            messages.append(data["message"])
        if kind == "hello":
            lanes = data["lanes"]
        if kind in ("hello", "status") and data["state"] == "paused":
            break
    assert messages[0] == "each optimiser's best rate is being looked for"
    assert any("of 24 short trainings" in words for words in messages)
    tuned = lab.get(f"/api/sessions/{made['session']}/landmarks").json()["by_optimizer"]
    assert {lane["optimizer"]: lane["lr"] for lane in lanes} == {name: found["tuned"] for name, found in tuned.items()}
    lab.control(made["session"], "end")


def test_points_of_ones_own_are_fitted(lab):
    text = "x,y\n" + "\n".join(f"{100 + x},{1000 * x * x}" for x in range(30))
    made = lab.post("/api/curves", {"csv": text}).json()
    assert made["points"] == 30
    name = lab.session(optimizers=["adam"], lrs=0.01, steps=4, width=4, task_options={"target": "csv", "curve": made["curve"]})
    hello = next(lab.events(name))[2]
    grid = as_floats(hello["grid"], 1)[:, 0]
    assert (grid[0], grid[-1]) == (100, 129)
    assert as_floats(hello["data"]["y"], 1).max() > 500_000
    lab.control(name, "end")
    assert lab.control(name, "play").status_code == 404


def test_the_catalogue_has_what_the_page_offers(lab):
    found = lab.get("/api/catalogue").json()
    assert [task["name"] for task in found["tasks"]] == ["curve", "digits"]
    adam = next(one for one in found["optimizers"] if one["name"] == "adam")
    assert adam["lr"]["default"] == 0.001
    assert "beta1 m" in adam["formula"]
    assert adam["style"]["colour"]["light"].startswith("#")
