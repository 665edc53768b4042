"""Addresses of the figures, with the process beside the server played."""

import asyncio
import json
from types import SimpleNamespace

import pytest

pytest.importorskip("starlette", reason="the lab needs Starlette: pip install 'ravine[lab]'")

from starlette.datastructures import QueryParams

from ravine.base.errors import UnknownNameError
from ravine.lab.figures_api import MOST_KEPT, Figures, routes


class Calls:
    def __init__(self):
        self.asked = []

    async def call(self, function, settings):
        self.asked.append((function, settings))
        return {"numbers": {"value": float("nan")}, "drawn": {}}


def request(calls, name="precision", query="", task=None):
    lab = SimpleNamespace(calls=calls, task=task)
    return SimpleNamespace(path_params={"name": name}, query_params=QueryParams(query), app=SimpleNamespace(state=SimpleNamespace(lab=lab)))


def asked(handler, *arguments, **named):
    return json.loads(asyncio.run(handler(request(*arguments, **named))).body)


def handlers():
    choices, figure = Figures().routes()
    return choices.endpoint, figure.endpoint


def test_a_figure_comes_with_its_command_and_script():
    calls = Calls()
    found = asked(handlers()[1], calls, query="scales=1,2", task="mine.py")
    assert found["numbers"] == {"value": None}
    assert found["commands"] == ["ravine figure loss-scaling --scales 1,2 --json"]
    assert "cast_gradients" in found["python"]
    ((function, settings),) = calls.asked
    assert (function, settings["own"]) == ("ravine.lab.figures:figure", ["mine.py"])


def test_the_same_figure_is_computed_once():
    calls, (_, figure) = Calls(), handlers()
    for query in ("scales=1", "scales=1.0", "scales=2", "scales=1"):
        asked(figure, calls, query=query)
    assert len(calls.asked) == 2


def test_old_figures_are_forgotten():
    calls, (_, figure) = Calls(), handlers()
    for turn in range(MOST_KEPT + 1):
        asked(figure, calls, query=f"scales={turn + 1}")
    asked(figure, calls, query="scales=1")
    assert len(calls.asked) == MOST_KEPT + 2


def test_an_unknown_figure_is_said():
    with pytest.raises(UnknownNameError, match="no figure is called 'depht'; did you mean 'depth'"):
        asked(handlers()[1], Calls(), name="depht")


def test_choices_name_the_task_of_the_start():
    assert asked(handlers()[0], Calls(), task="mine.py")["tasks"] == ["digits", "line", "curve", "mine.py"]
    assert [route.path for route in routes()] == ["/api/figures", "/api/figures/{name}"]
