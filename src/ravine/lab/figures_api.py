"""Addresses of the figures: numbers computed beside the server, and kept for whoever asks for the same again."""

from collections import OrderedDict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ravine.base._checks import unknown_name
from ravine.lab.answers import answer, text
from ravine.lab.figure_settings import FIGURES
from ravine.lab.reading_settings import Settings

MOST_KEPT = 24


class Figures:
    """Addresses of the figures, and the last answers."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Settings, str] = OrderedDict()

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [Route("/api/figures", self._choices), Route("/api/figures/{name}", self._figure)]

    async def _choices(self, request: Request) -> Response:
        lab = request.app.state.lab
        found: dict[str, Any] = await lab.calls.call("ravine.lab.figures:choices", {})
        return answer(found | {"tasks": ["digits", "line", "curve", *([lab.task] if lab.task else [])]})

    async def _figure(self, request: Request) -> Response:
        name, lab = request.path_params["name"], request.app.state.lab
        if name not in FIGURES:
            raise unknown_name("figure", name, FIGURES)
        settings = FIGURES[name].read(request.query_params)
        if settings not in self._kept:
            own = [lab.task] if lab.task else []
            found = await lab.calls.call("ravine.lab.figures:figure", {"settings": settings, "own": own})
            self._kept[settings] = text(found | {"commands": settings.commands(), "python": settings.python()})
        self._kept.move_to_end(settings)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return Response(self._kept[settings], media_type="application/json")


def routes() -> list[Route]:
    """Their addresses, with nothing kept yet."""
    return Figures().routes()
