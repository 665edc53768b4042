"""The routes of the race page."""

import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ravine.base._checks import count, unknown_name
from ravine.base.errors import InputError
from ravine.lab.answers import Busy, NotThere, answer, body
from ravine.lab.catalogue import catalogue
from ravine.lab.protocol import Accepted, Code, Created, Curve, Saved
from ravine.lab.races import Races
from ravine.lab.sessions import Session
from ravine.lab.settings import LIMITS, read_points, read_speed
from ravine.lab.streams import Cursor, stream

CURVES = "/api/curves"
MOST_CSV = 1_000_000
"""Bytes of points that are sent."""

CONTROLS = ("play", "pause", "step", "speed", "reset", "settings", "end")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}\.ravine")


def routes() -> list[Route]:
    """The routes."""
    at = "/api/sessions/{session}"
    return [
        Route("/api/catalogue", _catalogue),
        Route(CURVES, _add_curve, methods=["POST"]),
        Route("/api/sessions", _create, methods=["POST"]),
        Route(f"{at}/control", _control, methods=["POST"]),
        Route(f"{at}/events", _events),
        Route(f"{at}/frame", _frame),
        Route(f"{at}/landmarks", _landmarks),
        Route(f"{at}/code", _code),
        Route(f"{at}/save", _save, methods=["POST"]),
    ]


def _races(request: Request) -> Races:
    races: Races = request.app.state.lab.races
    return races


def _session(request: Request) -> Session:
    return _races(request).get(request.path_params["session"])


async def _catalogue(request: Request) -> Response:
    lab = request.app.state.lab
    return answer(catalogue([str(file) for file in lab.files], lab.task))


async def _add_curve(request: Request) -> Response:
    points = read_points((await body(request)).get("csv"))
    return answer(Curve(curve=_races(request).add_curve(points), points=len(points)))


async def _create(request: Request) -> Response:
    session = await _races(request).create(await body(request))
    return answer(Created(session=session.name, revision=session.revision, state=session.state), 201)


async def _control(request: Request) -> Response:
    session, races, given = _session(request), _races(request), await body(request)
    match given.get("do"):
        case "play":
            session.play()
        case "pause":
            session.pause()
        case "step":
            session.step(count("steps", given.get("steps", 1), at_most=LIMITS["steps"]))
        case "speed":
            session.set_speed(read_speed(given.get("speed")))
        case "reset":
            await races.prepare(session, _setting_of(session))
        case "settings":
            await races.prepare(session, races.read(_given_setting(given)))
        case "end":
            races.end(session)
        case other:
            raise unknown_name("control", str(other), CONTROLS)
    return answer(Accepted(revision=session.revision))


def _setting_of(session: Session) -> Any:
    if session.setting is None:
        raise Busy("no race was prepared yet: send its setting first.")
    return session.setting


def _given_setting(given: dict[str, Any]) -> dict[str, Any]:
    setting = given.get("setting")
    if not isinstance(setting, dict):
        raise InputError("settings without a setting: send the whole of it as 'setting'.", given=setting)
    return setting


async def _events(request: Request) -> Response:
    session = _session(request)
    cursor = Cursor.read(request.headers.get("last-event-id") or request.query_params.get("since", ""))
    return StreamingResponse(stream(session, cursor), media_type="text/event-stream")


async def _frame(request: Request) -> Response:
    session, given = _session(request), request.query_params.get("step", "")
    if not given.isdecimal() or len(given) > 9:
        raise InputError(f"step={given!r}: must be a whole number from 0 on. Give a step that was taken.", given=given)
    found = session.history.look_at(int(given))
    if found is None:
        raise NotThere("nothing was looked at before that step: give a later one.")
    return answer(found)


async def _landmarks(request: Request) -> Response:
    return answer(await _races(request).landmarks(_setting_of(_session(request))))


async def _code(request: Request) -> Response:
    session, given = _session(request), request.query_params.get("lane", "0")
    make, lanes = session.make, session.facts.get("lanes", [])
    if make is None or not lanes:
        raise Busy("no race is prepared: reset it first.")
    if not given.isdecimal() or len(given) > 4 or int(given) >= len(lanes):
        raise InputError(f"lane={given!r}: must be a whole number from 0 to {len(lanes) - 1}.", given=given)
    lane, settings = int(given), {"setting": make.setting, "rates": make.rates, "own": make.own, "points": make.points}
    known = [one for one in session.history.evaluations if one["values"]["loss"][lane] is not None]
    last = known[-1]
    raced = {metric: column[lane] for metric, column in last["values"].items()}
    found: Code = await request.app.state.lab.calls.call(
        "ravine.lab.run_texts:run_texts", {**settings, "lane": lane, "raced": raced, "step": last["step"]}
    )
    return answer(found)


async def _save(request: Request) -> Response:
    session, name = _session(request), (await body(request)).get("name")
    if not isinstance(name, str) or not FILE_NAME.fullmatch(name):
        allowed = "must be a file name of letters, digits, spaces, dots, - and _ that ends in .ravine"
        raise InputError(f"name={name!r}: {allowed}. Write it like race.ravine.", given=name)
    target = Path(request.app.state.lab.folder) / name
    if target.exists() or target.is_symlink():
        raise InputError(f"{name} exists already and is never replaced: give another name.", given=name)
    saved = await session.ask("save", {"file": str(target), "seconds": session.pace.seconds})
    return answer(Saved(file=saved), 201)
