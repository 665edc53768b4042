"""Answers of the lab: JSON that holds no NaN, bodies read and checked, errors as one sentence each."""

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from ravine.base.errors import DataNotFoundError, PlanError, RavineError
from ravine.lab.security import Refusal


class NotThere(RavineError, LookupError):
    """What was asked for does not exist, or no longer."""


class Busy(RavineError, RuntimeError):
    """It cannot be done now; the sentence says when it can."""


def plain(value: Any) -> Any:
    """The value with numbers that are not finite as None, which JSON can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def text(value: Any) -> str:
    """The value as JSON of the fewest characters."""
    return json.dumps(plain(value), allow_nan=False, separators=(",", ":"))


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(text(value), status_code=status, media_type="application/json")


def problem(status: int, sentence: str) -> Response:
    """An error as an answer."""
    return answer({"error": sentence}, status)


async def body(request: Request) -> dict[str, Any]:
    """The body of a POST as an object.

    Raises:
        Refusal: it is no JSON object.
    """
    try:
        found = _read((await request.body()).decode())
    except ClientDisconnect:
        raise Refusal(400, "the body ended before its end: send it again.") from None
    except (ValueError, RecursionError):
        raise Refusal(
            400, "the body cannot be read as JSON: send one object in UTF-8, with double quotes, finite numbers and every name once."
        ) from None
    if not isinstance(found, dict):
        raise Refusal(422, f'the body is {type(found).__name__}: must be an object such as {{"do": "play"}}.')
    return found


def _read(text: str) -> Any:
    found = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_each_once)
    # Half of a pair of surrogates is no text, and would fail wherever it is written.
    if "\\u" in text:
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def status_of(error: RavineError) -> int:
    """The status under which an error of ravine's is answered."""
    if isinstance(error, NotThere | DataNotFoundError):
        return 404
    return 409 if isinstance(error, Busy) else 400


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, RavineError)
    problems = error.problems if isinstance(error, PlanError) else (str(error),)
    return problem(status_of(error), " ".join(problems))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return problem(error.status, error.sentence)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentences = {
        404: f"there is nothing at {request.url.path}: see /api/catalogue.",
        405: f"{request.method} is not known at this address.",
    }
    return problem(error.status_code, sentences.get(error.status_code, str(error.detail)))


async def _defect(request: Request, error: Exception) -> Response:
    return problem(500, f"the lab itself failed with {type(error).__name__}: this is a defect of ravine; the terminal shows where.")


HANDLERS: Mapping[Any, ExceptionHandler] = {RavineError: _ours, Refusal: _refused, HTTPException: _http, Exception: _defect}
"""What errors become; `UnknownNameError` and its like are the asker's, so they are 400."""

__all__ = ["HANDLERS", "Busy", "NotThere", "answer", "body", "plain", "problem", "status_of", "text"]
