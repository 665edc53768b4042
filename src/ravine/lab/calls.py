"""Calls into the process that computes figures, sweeps and readings of models, so that the server needs no torch and no race waits."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from ravine.base.errors import InputError, TaskError
from ravine.lab.call_worker import Call, Here, Progress, Result, main
from ravine.lab.links import MEMORY_BYTES, Link

PATIENCE_S = 300.0
"""Seconds of one call: a full figure of depths takes a minute on a slow machine."""


class Calls:
    """The process and the calls that wait for it; it starts with the first call, and anew after it was lost.

    Args:
        memory_bytes: that the process may use.
        patience_s: seconds of one call.
    """

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, patience_s: float = PATIENCE_S) -> None:
        self._memory_bytes, self._patience_s = memory_bytes, patience_s
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._told: dict[int, Callable[[str], None]] = {}
        self._link: Link | None = None
        self._turn, self._is_closed = asyncio.Lock(), False

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._link is None else self._link.pid

    async def call(self, function: str, settings: dict[str, Any], tell: Callable[[str], None] | None = None) -> Any:
        """What a function returns, called in the process.

        Args:
            function: "package.module:name", written by the server's own code and never by a page.
            settings: its keyword arguments; they and what it returns cross a pipe.
            tell: told in words how far it is, by functions that take a `tell`.

        Raises:
            InputError: what the function had to say of the settings.
            TaskError: it took too long, raised something of a user's, or the process or the lab ended.
        """
        # One at a time, so that patience is counted from the call's own beginning.
        async with self._turn:
            link = self._started()
            number, future = next(self._numbers), asyncio.get_running_loop().create_future()
            self._waiting[number] = future
            if tell is not None:
                self._told[number] = tell
            link.send(Call(number, function, settings, tells=tell is not None))
            try:
                return await asyncio.wait_for(asyncio.shield(future), self._patience_s)
            except asyncio.CancelledError:
                self._give_up(link)
                raise
            except TimeoutError:
                self._give_up(link)
                raise TaskError(f"it took more than {self._patience_s:g} s and was stopped: ask for fewer steps or less width.") from None
            finally:
                self._waiting.pop(number, None)
                self._told.pop(number, None)

    def close(self) -> None:
        """End the process, for good: who waits for it hears so at once."""
        self._is_closed = True
        if self._link is not None:
            self._link.close()
            self._link = None
        self._end_waiting("the lab ended.")

    def _started(self) -> Link:
        if self._is_closed:
            raise TaskError("the lab ended.")
        if self._link is not None and self._link.has_ended:
            self._link.lost, self._link = _nothing, None
        if self._link is None:
            self._link = Link(main, "ravine-lab-figures", receive=self._take, lost=self._lose, memory_bytes=self._memory_bytes)
        return self._link

    def _give_up(self, link: Link) -> None:
        """End a process whose answer nobody waits for; the next call has another one at once, and never one that is dying."""
        link.kill()
        if self._link is link:
            self._link, link.lost = None, _nothing

    def _take(self, message: Here | Progress | Result) -> None:
        if isinstance(message, Here):
            return
        if isinstance(message, Progress):
            if message.number in self._told:
                self._told[message.number](message.words)
            return
        future = self._waiting.get(message.number)
        if future is None or future.done():
            return
        if message.error:
            future.set_exception(InputError(message.error))
        elif message.defect:
            future.set_exception(TaskError(f"it raised {message.defect}"))
        else:
            future.set_result(message.value)

    def _lose(self) -> None:
        self._link = None
        self._end_waiting("the process that computed it ended, perhaps for want of memory: ask again, or for less.")

    def _end_waiting(self, sentence: str) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(TaskError(sentence))


def _nothing() -> None:
    pass
