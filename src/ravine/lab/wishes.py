"""Races that are wanted of a session: its process looks at one, and of those that come meanwhile the last one is next."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ravine.lab.race_worker import Make

ANSWER_S = 1.0
"""Seconds that an answer may wait for what a process says of a setting; what it says later is told to the tabs."""


@dataclass(slots=True, eq=False)
class Wish:
    """A race that is wanted, and whoever waits to hear whether it is possible."""

    make: Make
    heard: asyncio.Future[None]

    def hear(self, error: Exception | None = None) -> bool:
        """Tell who waits; False where nobody does any more."""
        if self.heard.done():
            return False
        if error is None:
            self.heard.set_result(None)
        else:
            self.heard.set_exception(error)
        return True


class Wishes:
    """Those of one session.

    Args:
        send: sends a race to the process, and returns it with the revision that it would have.
        answer_s: seconds that whoever wants a race waits for the process.
    """

    def __init__(self, send: Callable[[Make], Make], answer_s: float) -> None:
        self._send, self._answer_s = send, answer_s
        self.now: Wish | None = None
        """The one that the process looks at."""
        self._next: Wish | None = None

    async def want(self, make: Make) -> None:
        """Want a race; returns when the process has said that it is possible, when another one was wanted instead, or after a while.

        Raises:
            InputError: it is not possible.
            TaskError: the process ended.
        """
        wish = Wish(make, asyncio.get_running_loop().create_future())
        if self.now is None:
            self._ask_for(wish)
        else:
            if self._next is not None:
                self._next.hear()
            self._next = wish
        await asyncio.wait([wish.heard], timeout=self._answer_s)
        if wish.heard.done():
            wish.heard.result()
        else:
            wish.heard.cancel()

    def want_again(self, make: Make) -> None:
        """Want a race for which nobody waits."""
        wish = Wish(make, asyncio.get_running_loop().create_future())
        wish.heard.cancel()
        self._ask_for(wish)

    def of(self, revision: int) -> Wish | None:
        """The race that the process looks at, if it would have this revision."""
        return self.now if self.now is not None and self.now.make.revision == revision else None

    def go_on(self) -> bool:
        """Turn to the next one; False where there is none."""
        self.now, wish, self._next = None, self._next, None
        if wish is not None:
            self._ask_for(wish)
        return wish is not None

    def give_up(self, error: Exception) -> None:
        """Tell everyone who waits that nothing will come of it."""
        for wish in (self.now, self._next):
            if wish is not None:
                wish.hear(error)
        self.now = self._next = None

    def _ask_for(self, wish: Wish) -> None:
        wish.make = self._send(wish.make)
        self.now = wish
