"""Signals that end a training between two steps: SIGTERM, which a cluster sends before it takes a machine away, and Ctrl-C."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ravine.trainer.events import Reason

_REASONS: dict[int, Reason] = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted"}


class Asked:
    """Whether somebody asked for the end.

    Args:
        grace_s: seconds within which a second Ctrl-C is taken for the first.

    Attributes:
        reason: why; None as long as nobody did.
    """

    reason: Reason | None = None

    def __init__(self, grace_s: float = 0.0) -> None:
        self._grace_s, self._since = grace_s, 0.0

    def take(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; a second Ctrl-C does not wait for the step.

        Raises:
            KeyboardInterrupt: on the second Ctrl-C.
        """
        del frame
        now = time.monotonic()
        if number == signal.SIGINT and self.reason == "interrupted":
            if now - self._since >= self._grace_s:
                raise KeyboardInterrupt
            return
        self.reason, self._since = _REASONS[number], now


@contextmanager
def listening(*, wanted: bool = True, grace_s: float = 0.0) -> Iterator[Asked]:
    """A block in which those signals are noted instead of ending the process.

    Args:
        wanted: whether anything can be saved; without that, and outside the main thread, signals do what they always do.
        grace_s: seconds within which a second Ctrl-C is taken for the first.
    """
    asked = Asked(grace_s)
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, asked.take) for number in _REASONS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
