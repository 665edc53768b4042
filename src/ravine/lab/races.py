"""All sessions of the race page, the points that were sent, and the sweeps that rates are marked by."""

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Mapping
from typing import Any, cast

from ravine.base.errors import RavineError
from ravine.lab.answers import Busy, NotThere
from ravine.lab.calls import Calls
from ravine.lab.links import MEMORY_BYTES, Link
from ravine.lab.protocol import Diverged, Landmarks, Setting, Tuning
from ravine.lab.race_worker import Make, main
from ravine.lab.sessions import FINDING, Session
from ravine.lab.settings import SWEPT_STEPS, read_setting, sweep_in_words
from ravine.lab.sweeping import Sweeps
from ravine.lab.wishes import ANSWER_S
from ravine.rules import registry

MOST_SESSIONS = 4
"""Each has a process of some hundred megabytes."""

MOST_CURVES = 16
PATIENCE_S, PREPARING_S = 60.0, 600.0
"""Seconds that a step, and preparing a race, may take before the process is stopped."""

WATCH_S = 0.5
WITHOUT_CAUSE = "Lower its rate, warm up, or clip gradients."
"""What is said of a lane's end that could not be looked into."""


class Races:
    """The sessions.

    Args:
        own: the user's task as given on the command line.
        calls: the process that sweeps.
        memory_bytes: that a session may use.
        patience_s: seconds that a step may take.
    """

    def __init__(
        self, own: str | None, calls: Calls, *, memory_bytes: int = MEMORY_BYTES, patience_s: float = PATIENCE_S, answer_s: float = ANSWER_S
    ) -> None:
        self._own, self._calls, self._memory_bytes, self._patience_s = own, calls, memory_bytes, patience_s
        self.sessions: dict[str, Session] = {}
        self.curves: dict[str, tuple[tuple[float, float], ...]] = {}
        self._answer_s, self._sweeps = answer_s, Sweeps(calls)
        self._numbers = itertools.count(1)
        self._spare: Link | None = None
        self._watch: asyncio.Task[None] | None = None
        self._looking: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Start a process before it is needed, and watch over all of them."""
        self._spare = self._fresh()
        self._watch = asyncio.get_running_loop().create_task(self._look_after())

    def close(self) -> None:
        """End everything."""
        if self._watch is not None:
            self._watch.cancel()
        for task in self._looking:
            task.cancel()
        links = [session.end() for session in self.sessions.values()]
        self.sessions.clear()
        for link in (*links, self._spare):
            if link is not None:
                link.close()
        self._spare = None

    def get(self, name: str) -> Session:
        """The session called `name`.

        Raises:
            NotThere: there is none, or it was ended.
        """
        if name not in self.sessions:
            raise NotThere(f"there is no session {name!r}: it was ended, or the lab was started anew. Reload the page.")
        return self.sessions[name]

    def add_curve(self, points: list[tuple[float, float]]) -> str:
        """Keep points that were sent; the name to ask for them by."""
        name = secrets.token_hex(4)
        self.curves[name] = tuple(points)
        while len(self.curves) > MOST_CURVES:
            del self.curves[next(iter(self.curves))]
        return name

    def read(self, given: Mapping[str, Any]) -> Setting:
        """A setting, checked."""
        return read_setting(given, has_own=self._own is not None, curves=self.curves)

    async def create(self, given: Mapping[str, Any]) -> Session:
        """A new session, which prepares its race.

        Raises:
            InputError: the setting is not possible.
            Busy: there are too many.
        """
        setting = self.read(given)
        self._make_room()
        session = Session(f"{next(self._numbers)}", self._start, self._find_out, self._find_rates, self._answer_s)
        self.sessions[session.name] = session
        try:
            await self.prepare(session, setting)
        except BaseException:
            self.end(session)
            raise
        return session

    async def prepare(self, session: Session, setting: Setting) -> None:
        """Prepare a race in a session; rates are found first, where they are to be and are not known."""
        points, before = self._points(setting), session.make
        if not points and before is not None and before.setting["task_options"] == setting["task_options"]:
            points = before.points
        await session.prepare(Make(0, dict(setting), self._rates(setting), self._own, points))

    def end(self, session: Session) -> None:
        """End a session; its process serves the next one where it can."""
        self.sessions.pop(session.name, None)
        link = session.end()
        if link is None:
            return
        if self._spare is None:
            self._spare = link
            self._spare.receive, self._spare.lost = _ignore, self._lose_spare
        else:
            link.close()

    async def landmarks(self, setting: Setting) -> Landmarks:
        """Rates worth marking for every optimiser of a setting."""
        names = setting["optimizers"]
        found = {}
        for name, swept in (await self._sweeps.find(setting, names, self._given(setting))).items():
            default = registry.get(name).defaults["lr"]
            found[name] = Tuning(
                default=default,
                tuned=swept["tuned"],
                diverges_above=swept["diverges_above"],
                rates=swept["rates"],
                losses=swept["losses"],
            )
        steps = min(setting["steps"], SWEPT_STEPS)
        return Landmarks(protocol=sweep_in_words(setting), steps=steps, by_optimizer=found)

    def _find_out(self, session: Session, ended: Diverged) -> None:
        """Have a lane's end looked into, beside the race."""
        assert session.make is not None, "a lane that diverged is one of a race"
        task = asyncio.get_running_loop().create_task(self._diagnose(session, session.make, ended))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _diagnose(self, session: Session, make: Make, ended: Diverged) -> None:
        setting, name = cast(Setting, make.setting), list(make.rates)[ended["lane"]]
        remedy = WITHOUT_CAUSE
        with contextlib.suppress(RavineError):
            swept = await self._sweeps.find(setting, [name], {"own": make.own, "points": make.points})
            ran = {name: swept[name]["ran"]}
            given = {"setting": make.setting, "rates": make.rates, "own": make.own, "points": make.points, "ran": ran}
            found = {"lane": ended["lane"], "ended": (ended["step"], ended["reason"])}
            remedy = await self._calls.call("ravine.lab.diagnosing:diagnose", {**given, **found})
        session.tell_end(cast(Diverged, {**ended, "remedy": remedy}))

    def _rates(self, setting: Setting) -> dict[str, float]:
        """Rates as far as they are known; none where they are to be found."""
        lrs, names = setting["lrs"], setting["optimizers"]
        if isinstance(lrs, dict):
            return {name: float(lrs[name]) for name in names}
        if not isinstance(lrs, str):
            return dict.fromkeys(names, float(lrs))
        return _best(self._sweeps.known(setting, names) or {})

    async def _find_rates(self, session: Session, make: Make) -> dict[str, float]:
        setting = cast(Setting, make.setting)
        given = {"own": make.own, "points": make.points}
        return _best(
            await self._sweeps.find(setting, setting["optimizers"], given, lambda words: session.tell_progress(f"{FINDING}: {words}"))
        )

    def _given(self, setting: Setting) -> dict[str, Any]:
        return {"own": self._own, "points": self._points(setting)}

    def _points(self, setting: Setting) -> tuple[tuple[float, float], ...]:
        return self.curves.get(setting["task_options"].get("curve", ""), ())

    def _make_room(self) -> None:
        """End a session that nobody watches, where there are as many as there may be."""
        if len(self.sessions) < MOST_SESSIONS:
            return
        idle = next((session for session in self.sessions.values() if not session.watchers), None)
        if idle is None:
            raise Busy(f"{MOST_SESSIONS} races are open in tabs, which is the most: close one of them.")
        self.end(idle)

    def _start(self) -> Link:
        link, self._spare = self._spare, None
        return self._fresh() if link is None or link.has_ended else link

    def _fresh(self) -> Link:
        return Link(main, "ravine-lab-race", receive=_ignore, lost=self._lose_spare, memory_bytes=self._memory_bytes)

    def _lose_spare(self) -> None:
        self._spare = None

    async def _look_after(self) -> None:
        while True:
            asleep = time.monotonic()
            await asyncio.sleep(WATCH_S)
            late = time.monotonic() - asleep - WATCH_S
            for session in list(self.sessions.values()):
                # The server itself stood still, as after Ctrl-Z: what was sent meanwhile is still to be read.
                if late > WATCH_S:
                    session.excuse(late)
                    continue
                with contextlib.suppress(RavineError):
                    session.look_after(self._patience_s, PREPARING_S)


def _best(swept: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The best rate of each, or its default where every rate diverged."""
    return {name: registry.get(name).defaults["lr"] if one["tuned"] is None else one["tuned"] for name, one in swept.items()}


def _ignore(message: object) -> None:
    del message
