import asyncio
import json

import pytest
from starlette.requests import Request

from ravine.base.errors import DataNotFoundError, InputError, PlanError
from ravine.lab.answers import HANDLERS, Busy, NotThere, answer, body, plain, problem, status_of, text
from ravine.lab.security import Refusal


def test_numbers_that_are_not_finite_become_null():
    assert text({"a": [float("nan"), 1.5, float("inf")], 2: (3,)}) == '{"a":[null,1.5,null],"2":[3]}'
    assert plain("nan") == "nan"


def test_answers_are_json():
    assert json.loads(answer({"a": 1}, 201).body) == {"a": 1}
    assert (problem(404, "no.").status_code, json.loads(problem(404, "no.").body)) == (404, {"error": "no."})


@pytest.mark.parametrize(
    ("error", "status"),
    [(InputError("x"), 400), (NotThere("x"), 404), (Busy("x"), 409), (DataNotFoundError("x"), 404), (PlanError(["x"]), 400)],
)
def test_errors_of_ravine_have_a_status(error, status):
    assert status_of(error) == status


def request(content):
    async def receive():
        return {"type": "http.request", "body": content, "more_body": False}

    return Request({"type": "http", "method": "POST", "headers": [], "path": "/x"}, receive)


def test_a_body_is_an_object():
    assert asyncio.run(body(request(b'{"do": "play"}'))) == {"do": "play"}


@pytest.mark.parametrize(("content", "status"), [(b"{", 400), (b'{"a": NaN}', 400), (b"[]", 422), (b"\xff", 400)])
def test_another_body_is_refused(content, status):
    with pytest.raises(Refusal) as caught:
        asyncio.run(body(request(content)))
    assert caught.value.status == status


def test_all_problems_of_a_plan_are_told():
    from ravine.base.errors import RavineError

    told = asyncio.run(HANDLERS[RavineError](request(b""), PlanError(["one.", "two."])))
    assert json.loads(told.body) == {"error": "one. two."}


def test_a_defect_is_told_without_its_text():
    told = asyncio.run(HANDLERS[Exception](request(b""), ValueError("secret")))
    assert (told.status_code, b"secret" in told.body, b"ValueError" in told.body) == (500, False, True)
