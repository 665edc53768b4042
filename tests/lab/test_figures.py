"""Figures, lessons and the doctor through a real server: what a page may ask for, what it may not, and that nothing is left behind."""

import json

import httpx
import pytest

from lab_client import WAIT_S, wait_for
from ravine.report import bundle


def told(lab, job):
    """What a job says, as (kind, data)."""
    address = f"{lab.base}/api/jobs/{job}/events?token={lab.address.token}"
    with httpx.stream("GET", address, timeout=WAIT_S) as answer:
        assert answer.status_code == 200
        kind = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)


def test_a_figure_is_answered_with_its_command(lab):
    answer = lab.get("/api/figures/precision?formats=fp16&scales=1")
    assert answer.status_code == 200
    found = answer.json()
    assert found["numbers"]["casts"][0]["fates"] == ["survives", "coarse", "coarse", "coarse", "vanishes"]
    assert found["commands"] == ["ravine figure loss-scaling --formats fp16 --scales 1 --json"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("surface?name=__import__('os').system('true')*x", "is not known. Allowed are numbers"),
        ("surface?name=open('x').read()", "is not known. Allowed are"),
        ("surface?name=slice:digits", "no surface is called"),
        ("memory?task=/etc/passwd.py", "must be one of digits"),
        ("memory?task=chars:text=/etc/passwd", "is a file"),
        ("depth?width=100000", "at most 256"),
        ("surface?steps=1e9", "must be a whole number"),
        ("nothing", "no figure is called 'nothing'"),
    ],
)
def test_a_page_cannot_ask_for_more_than_numbers(lab, path, says):
    answer = lab.get(f"/api/figures/{path}")
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_the_second_script_is_served_or_its_absence_said(lab, monkeypatch):
    monkeypatch.setattr(bundle, "find_more", lambda: bundle.Bundle("more()", "b {}"))
    script, style = lab.get("/more.js"), lab.get("/more.css")
    assert (script.status_code, script.text, script.headers["content-type"]) == (200, "more()", "text/javascript; charset=utf-8")
    assert (style.status_code, style.text, style.headers["content-type"]) == (200, "b {}", "text/css; charset=utf-8")
    monkeypatch.setattr(bundle, "find_more", lambda: None)
    for path in ("/more.js", "/more.css"):
        answer = lab.get(path)
        assert answer.status_code == 404
        assert "make web" in answer.text


def test_a_lesson_runs_in_its_own_process_and_is_kept(lab):
    job = lab.post("/api/lessons/loss-shapes/run", {}).json()["job"]
    found = list(told(lab, job))
    assert [kind for kind, _ in found] == ["doing", "doing", "result"]
    result = found[-1][1]
    assert result["numbers"]["verdict"] == "supported"
    assert lab.get("/api/lessons/loss-shapes").json()["result"] == result
    assert wait_for(lambda: lab.lab.jobs.get(job).link is None)


def test_a_job_can_be_stopped(lab):
    job = lab.post("/api/doctor", {"task": "digits"}).json()["job"]
    pid = lab.lab.jobs.get(job).link.pid
    assert lab.post(f"/api/jobs/{job}/stop", {}).status_code == 200
    assert list(told(lab, job))[-1] == ("failed", "it was stopped.")
    assert not is_alive(pid)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_job_that_does_not_exist_is_said(lab):
    answer = lab.get("/api/jobs/999/events")
    assert (answer.status_code, answer.json()["error"]) == (404, "there is no job '999', or no longer: start it again from its page.")


def test_a_curve_larger_than_the_limit_is_refused(lab):
    curve = "step,loss\n" + "\n".join(f"{step},{1 / (step + 1)}" for step in range(40))
    found = lab.post("/api/doctor/curve", {"name": "run.csv", "text": curve}).json()
    assert found["numbers"]["task"]["name"] == "run.csv"
    assert lab.post("/api/doctor/curve", {"name": "run.csv", "text": "x" * 1_050_000}).status_code == 400
    assert lab.post("/api/doctor/curve", {"name": "run.csv", "text": "x" * 1_200_000}).status_code == 413
    assert lab.post("/api/doctor", {"task": "x" * 70_000}).status_code == 413


@pytest.mark.slow
def test_the_doctor_climbs_its_ladder(lab):
    job = lab.post("/api/doctor", {"task": "line", "steps": "30"}).json()["job"]
    found = list(told(lab, job))
    assert list(dict.fromkeys(data for kind, data in found if kind == "doing"))[:3] == ["starting", "loading", "initial loss"]
    assert found[-1][0] == "result"
    assert found[-1][1]["task"]["name"] == "line"
