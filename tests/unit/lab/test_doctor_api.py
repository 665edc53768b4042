"""Addresses of the doctor's page, with the processes beside the server played."""

import asyncio
import json
from types import SimpleNamespace

import pytest

pytest.importorskip("starlette", reason="the lab needs Starlette: pip install 'ravine[lab]'")

from ravine.base.errors import InputError
from ravine.lab import doctor_api
from ravine.lab.doctor_api import CURVE_BYTES, DoctorSettings, routes, texts


class Jobs:
    def start(self, job):
        self.job = job
        return "7"


class Calls:
    async def call(self, function, settings):
        return {"asked": [function, settings]}


def asked(place, body, task=None):
    lab = SimpleNamespace(jobs=Jobs(), calls=Calls(), task=task)

    async def given():
        return json.dumps(body).encode()

    request = SimpleNamespace(body=given, app=SimpleNamespace(state=SimpleNamespace(lab=lab)))
    return json.loads(asyncio.run(routes()[place].endpoint(request)).body), lab


def test_an_examination_is_a_job():
    found, lab = asked(0, {"task": "line", "lr": "0.01", "steps": "50"}, task="mine.py")
    assert found["job"] == "7"
    assert found["commands"] == ["ravine doctor line --lr 0.01 --steps 50 --json"]
    assert found["python"].endswith("found = ravine.diagnose('line', lr=0.01, steps=50).summary()\n")
    options = {"optimizer": "adamw", "lr": 0.01, "steps": 50, "seeds": 3, "seed": 0}
    assert lab.jobs.job.settings == {"task": "line", "own": ["mine.py"], "options": options}


def test_the_usual_examination_is_the_bare_command():
    assert DoctorSettings().commands() == ["ravine doctor digits --json"]
    assert "ravine.diagnose('digits').summary()" in DoctorSettings().python()


def test_a_curve_is_read_beside_the_server():
    body = {"name": "run.csv", "text": "loss\n1", "columns": {"loss": "loss"}}
    assert asked(1, body)[0] == {"asked": ["ravine.lab.examining:read_curve", body]}


@pytest.mark.parametrize(
    ("place", "body", "says"),
    [
        (0, {"steps": 50}, "steps=50: must be text"),
        (0, {"steps": "5000"}, "at most 2000"),
        (0, {"stpes": "50"}, "no setting is called 'stpes'"),
        (1, {"name": 1, "text": ""}, "a curve is sent as"),
        (1, {"name": "a.csv", "text": "x" * (CURVE_BYTES + 1)}, "more than 1,000,000 bytes: read it where it lies"),
        (1, {"name": "a.csv", "text": "", "columns": {"loss": 1}}, "loss=1: must be text"),
    ],
)
def test_what_cannot_be_used_is_said(place, body, says):
    with pytest.raises(InputError, match=says):
        asked(place, body)


def test_a_curve_may_be_larger_than_other_bodies():
    assert doctor_api.MOST[doctor_api.CURVE] > CURVE_BYTES
    assert texts({"a": "1"}) == {"a": "1"}
