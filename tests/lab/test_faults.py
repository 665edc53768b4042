"""What a user's model or the machine does to a session stays in that session, and is told on its page."""

import os
import signal
import textwrap

import pytest

from lab_client import serving, wait_for

TASK = """
    import pathlib
    import time

    import torch
    from torch import nn

    import ravine

    HERE = pathlib.Path(__file__).parent


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            if (HERE / "hang").exists():
                while True:
                    time.sleep(0.01)
            if (HERE / "raise").exists():
                raise RuntimeError("the model is tired")
            if (HERE / "eat").exists():
                torch.ones(2**29)
            return self.layer(x)


    pair = (torch.zeros(8, 2), torch.zeros(8, 1))
    task = ravine.Task("fragile", Net, pair, pair, nn.functional.mse_loss, batch_size=None)
"""
pytestmark = pytest.mark.slow
SETTING = {"task": "user", "optimizers": ["sgd"], "steps": 50_000}


@pytest.fixture(scope="module")
def fragile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fragile")
    (folder / "task.py").write_text(textwrap.dedent(TASK))
    with serving(folder, task=str(folder / "task.py"), memory_bytes=2**30, patience_s=10.0) as client:
        yield client


@pytest.fixture
def flag(fragile):
    """Sets a flag that the model looks at."""
    taken = []

    def raised(name):
        taken.append(fragile.lab.folder / name)
        taken[-1].touch()

    yield raised
    for path in taken:
        path.unlink(missing_ok=True)


def failure(client, name):
    """What the page is told when a session ends in an error."""
    session = client.lab.races.sessions[name]
    wait_for(lambda: session.state == "failed" or any(said["kind"] == "error" for said in session.history.said))
    return next(said for said in session.history.said if said["kind"] == "error")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("raise", "the training raised RuntimeError: the model is tired"),
        ("eat", "the training needs more memory than a session of the lab may use"),
        ("hang", "a step took more than 10 s, so it was stopped"),
    ],
)
def test_a_model_that_fails_ends_its_session_only(fragile, flag, what, sentence):
    other = fragile.session(optimizers=["sgd"], steps=5)
    name = fragile.session(**SETTING)
    fragile.control(name, "play")
    flag(what)
    told = failure(fragile, name)
    assert told["message"].startswith(sentence)
    assert told["restarted"] is False
    assert fragile.control(name, "play").status_code == 409
    fragile.control(other, "step", steps=5)
    wait_for(lambda: fragile.lab.races.sessions[other].state == "done")
    fragile.control(other, "end")
    (fragile.lab.folder / what).unlink()
    assert fragile.control(name, "reset").status_code == 200, "once the model is corrected, a reset goes on"
    wait_for(lambda: fragile.lab.races.sessions[name].state == "paused")
    fragile.control(name, "end")


def test_a_killed_process_is_started_anew_and_the_page_is_told(fragile):
    name = fragile.session(optimizers=["sgd"], steps=50_000)
    session, events = fragile.lab.races.sessions[name], fragile.events(name)
    killed, kinds = session.pid, [next(events)[0]]
    fragile.control(name, "play")
    wait_for(lambda: session.history.steps > 3)
    os.kill(killed, signal.SIGKILL)
    for kind, _, data in events:
        kinds.append(kind)
        if kind == "error":
            assert data["message"].startswith("the process that trained ended by itself or was killed")
            assert data["restarted"] is True
        if kind == "hello" and data["revision"] == 2 and data["state"] == "paused":
            break
    assert "error" in kinds
    assert session.pid not in (killed, None)
    fragile.control(name, "step", steps=2)
    wait_for(lambda: session.history.steps == 2)
    fragile.control(name, "end")


def test_a_killed_process_of_figures_is_started_anew(fragile):
    found = fragile.lab.calls
    name = fragile.session(optimizers=["sgd"], steps=5)
    assert fragile.get(f"/api/sessions/{name}/code?lane=0").status_code == 200
    os.kill(found.pid, signal.SIGKILL)
    wait_for(lambda: found.pid is None)
    assert fragile.get(f"/api/sessions/{name}/code?lane=0").status_code == 200
    fragile.control(name, "end")
