"""Addresses of the records: the list, one record, its losses and evaluations as far as a page shows them, and its changes."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ravine.base.errors import InputError
from ravine.lab.answers import answer
from ravine.lab.following import stream
from ravine.lab.shelf import Shelf
from ravine.records import Record
from ravine.report import is_watched, read_facts
from ravine.report.lane_curves import Window, lane_curves, loss_bands, whole_window
from ravine.report.measures import lane_evaluations
from ravine.report.page import short_recipe
from ravine.report.record_view import entrant_names, record_view
from ravine.report.views import RecordView
from ravine.report.watched_view import watched_view

MOST_COLUMNS = 4000
MOST_LANES = 2000
USUAL_COLUMNS = 400


def routes() -> list[Route]:
    """Addresses of records."""
    return [
        Route("/api/records", _list),
        Route("/api/records/{id}", _one),
        Route("/api/records/{id}/bands", _bands),
        Route("/api/records/{id}/curves", _curves),
        Route("/api/records/{id}/evaluations", _evaluations),
        Route("/api/records/{id}/recipe", _recipe),
        Route("/api/records/{id}/events", _events),
    ]


# Functions that are no coroutines run in threads of Starlette's, so that reading a large record holds up no other answer.


def _list(request: Request) -> Response:
    return answer(_shelf(request).entries())


def _one(request: Request) -> Response:
    with _shelf(request).opened(request.path_params["id"]) as record:
        return answer(view(record))


def view(record: Record) -> RecordView:
    """What the page is told first; the recipe in ravine's own names, since the whole script needs torch."""
    if is_watched(record):
        return watched_view(record)
    facts = read_facts(record)
    if facts.recommendation is None:
        return record_view(record)
    return record_view(record, recipe=short_recipe(facts), recipe_note="The lines that make its optimiser.")


def _bands(request: Request) -> Response:
    with _shelf(request).opened(request.path_params["id"]) as record:
        facts = read_facts(record)
        return answer(loss_bands(record, facts, entrant_names(facts), _window(request, record)))


def _curves(request: Request) -> Response:
    lanes = lane_numbers(request.query_params.get("lanes", ""))
    with _shelf(request).opened(request.path_params["id"]) as record:
        return answer(lane_curves(record, lanes, _window(request, record)))


def _evaluations(request: Request) -> Response:
    asked = request.query_params
    lanes = lane_numbers(asked.get("lanes", ""))
    with _shelf(request).opened(request.path_params["id"]) as record:
        return answer(lane_evaluations(record, lanes, asked.get("split", ""), asked.get("metric", "")))


async def _recipe(request: Request) -> Response:
    path = _shelf(request).path(request.path_params["id"])
    found: dict[str, str] = await request.app.state.lab.calls.call("ravine.lab.record_recipe:script_of", {"path": str(path)})
    return answer(found)


async def _events(request: Request) -> Response:
    shelf = _shelf(request)
    path = shelf.path(request.path_params["id"])
    return StreamingResponse(stream(path, shelf.endings), media_type="text/event-stream")


def _shelf(request: Request) -> Shelf:
    shelf: Shelf = request.app.state.lab.shelf
    return shelf


def _window(request: Request, record: Record) -> Window:
    """What a page asks to see; all steps if it does not say."""
    asked = request.query_params
    columns = _whole(asked, "columns", USUAL_COLUMNS, least=1, most=MOST_COLUMNS)
    facts, recorded = read_facts(record), record.steps_recorded()
    whole = whole_window(facts, columns=columns, recorded=max(recorded.values(), default=0))
    start = _whole(asked, "start", 0, least=0, most=whole.stop - 1)
    stop = _whole(asked, "stop", whole.stop, least=start + 1, most=whole.stop)
    return Window(start, stop, columns)


def _whole(asked: Any, name: str, usual: int, *, least: int, most: int) -> int:
    """A whole number of an address."""
    given = asked.get(name, str(usual))
    if not re.fullmatch(r"\d{1,12}", given, re.ASCII) or not least <= int(given) <= most:
        raise InputError(f"{name}={given!r}: must be a whole number from {least} to {most}. Leave it out for {usual}.", given=given)
    return int(given)


def lane_numbers(given: str) -> list[int]:
    """Lane numbers of a text like "0,3-7"; none of an empty one.

    Raises:
        InputError: it is no such text, or names too many lanes.
    """
    found = dict[int, None]()
    for part in filter(None, given.split(",")):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part, re.ASCII)
        if match is None:
            raise InputError(f"lanes={given!r}: must be numbers and runs of them, such as 0,3-7.", given=given)
        first, last = int(match[1]), int(match[2] or match[1])
        # Counted before they are made: a run may be of any length.
        if last - first + len(found) >= MOST_LANES:
            raise InputError(f"lanes={given!r} are more than {MOST_LANES:,}: ask for fewer at a time.", given=given)
        found.update(dict.fromkeys(range(first, last + 1)))
    return list(found)
