"""Sweeps for rates as the server asks for them: each is made once, shared by all who wait for it, and given up when nobody does."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ravine.lab.calls import Calls
from ravine.lab.protocol import Setting
from ravine.lab.settings import SWEPT_STEPS

MOST_KEPT = 200

Tell = Callable[[str], None]
Swept = dict[str, Any]


@dataclass(slots=True, eq=False)
class _UnderWay:
    """A sweep that is being made, and those who wait for it."""

    task: asyncio.Task[dict[str, Swept]]
    tells: list[Tell | None] = field(default_factory=list)


class Sweeps:
    """What sweeps have found.

    Args:
        calls: the process that makes them.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._found: dict[str, Swept] = {}
        self._under_way: dict[str, _UnderWay] = {}

    def known(self, setting: Setting, names: list[str]) -> dict[str, Swept] | None:
        """What was found for optimisers of a setting; None where one of them is still to be swept."""
        found = {name: self._found.get(_key(setting, name)) for name in names}
        return None if None in found.values() else {name: swept for name, swept in found.items() if swept is not None}

    async def find(self, setting: Setting, names: list[str], given: Mapping[str, Any], tell: Tell | None = None) -> dict[str, Swept]:
        """What is found for optimisers of a setting.

        Args:
            setting: of the race.
            names: of its optimisers.
            given: what a sweep is asked with besides.
            tell: told in words how far it is, where it has to be made.

        Raises:
            InputError, TaskError: it cannot be made.
        """
        missing = [name for name in names if _key(setting, name) not in self._found | self._under_way]
        if missing:
            self._start(setting, missing, given)
        keys = [_key(setting, name) for name in names]
        waited = list(dict.fromkeys(self._under_way[key] for key in keys if key in self._under_way))
        found = {name: self._found[key] for name, key in zip(names, keys, strict=True) if key in self._found}
        for sweep in waited:
            sweep.tells.append(tell)
        try:
            for sweep in waited:
                found |= await asyncio.shield(sweep.task)
        finally:
            for sweep in waited:
                sweep.tells.remove(tell)
                # Nobody wants it any more: what is asked for next need not wait for its end.
                if not sweep.tells:
                    self._forget(sweep)
                    sweep.task.cancel()
        return {name: found[name] for name in names}

    def _start(self, setting: Setting, names: list[str], given: Mapping[str, Any]) -> None:
        sweep = _UnderWay(asyncio.get_running_loop().create_task(self._make(setting, names, given)))
        sweep.task.add_done_callback(_told)
        self._under_way |= {_key(setting, name): sweep for name in names}

    async def _make(self, setting: Setting, names: list[str], given: Mapping[str, Any]) -> dict[str, Swept]:
        keys = {name: _key(setting, name) for name in names}
        sweep = self._under_way[keys[names[0]]]

        def tell(words: str) -> None:
            for one in sweep.tells:
                if one is not None:
                    one(words)

        try:
            asked = {"setting": dict(setting), "names": names, **given}
            found: dict[str, Swept] = await self._calls.call("ravine.lab.sweeps:sweep", asked, tell)
        finally:
            self._forget(sweep)
        while len(self._found) > MOST_KEPT:
            del self._found[next(iter(self._found))]
        self._found |= {keys[name]: swept for name, swept in found.items()}
        return found

    def _forget(self, sweep: _UnderWay) -> None:
        self._under_way = {key: other for key, other in self._under_way.items() if other is not sweep}


def _told(task: asyncio.Task[dict[str, Swept]]) -> None:
    """Whoever waits has its error; where nobody does any more, asyncio would print it as one that was overlooked."""
    if not task.cancelled():
        task.exception()


def _key(setting: Setting, name: str) -> str:
    """Everything that decides a sweep."""
    parts = [setting[part] for part in ("task", "task_options", "width", "batch_size", "schedule", "seed")]
    return json.dumps([name, min(setting["steps"], SWEPT_STEPS), *parts], sort_keys=True)
