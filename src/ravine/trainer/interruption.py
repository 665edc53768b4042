"""Signals that end a training between two steps: SIGTERM, which a cluster sends before it takes a machine away, and Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ravine.trainer.events import Reason

_REASONS: dict[int, Reason] = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted"}


class Asked:
    """Whether somebody asked for the end.

    Attributes:
        reason: why; None as long as nobody did.
    """

    reason: Reason | None = None

    def take(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; a second Ctrl-C does not wait for the step.

        Raises:
            KeyboardInterrupt: on the second Ctrl-C.
        """
        del frame
        if number == signal.SIGINT and self.reason == "interrupted":
            raise KeyboardInterrupt
        self.reason = _REASONS[number]


@contextmanager
def listening(*, wanted: bool = True) -> Iterator[Asked]:
    """A block in which those signals are noted instead of ending the process.

    Args:
        wanted: whether anything can be saved; without that, and outside the main thread, signals do what they always do.
    """
    asked = Asked()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, asked.take) for number in _REASONS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
