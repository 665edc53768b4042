"""Ctrl-C and SIGTERM in a race: the tile under way is saved before the race ends, if that takes no longer than a moment."""

import _thread
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

PATIENCE_S = 2.0
"""Seconds after which a race that did not reach a point to save at is ended all the same."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Notes the first signal and lets the race end by itself; a second signal, or `PATIENCE_S`, ends it at once.

    A context manager; the handlers that were there before are put back, and are what ends the race. It does nothing
    outside the main thread, or for a signal that is ignored or not handled by Python code.
    """

    def __init__(self) -> None:
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._asked: int | None = None
        self._timer: threading.Timer | None = None

    def __enter__(self) -> "Stopping":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):
                    self._before[number] = handler
                    signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._timer is not None:
            self._timer.cancel()

    def is_asked(self) -> bool:
        """Whether the race should end."""
        return self._asked is not None

    def end(self) -> None:
        """Raise what the signal would have raised, if there was one."""
        if self._asked is not None:
            self._before[self._asked](self._asked, None)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._asked is not None:
            self._before[number](number, frame)
            return
        self._asked = number
        self._timer = threading.Timer(PATIENCE_S, _thread.interrupt_main, (number,))
        self._timer.daemon = True
        self._timer.start()
