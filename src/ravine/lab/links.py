"""A process of the lab's beside its server: started warm, spoken with by messages, ended by its link and with it."""

import asyncio
import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

Main = Callable[[Connection, int], None]
"""What the process runs, given its end of the pipe and the bytes that it may use."""

CONTEXT = multiprocessing.get_context("spawn")
"""Spawned, never forked: the server has threads."""

ENDING_S = 1.0
"""Seconds that a process has to end by itself."""

MEMORY_BYTES = 4 * 2**30
"""Bytes that a process may use beyond what it starts with."""


class Link:
    """A process and the way to it; made within a running event loop, whose thread it calls back on.

    Args:
        main: what the process runs.
        name: of the process, for people.
        receive: called with each message of the process; may be replaced, as `lost` may.
        lost: called once when the process has ended without having been asked to.
        memory_bytes: that it may use.
        may_have_children: whether it may start processes of its own, which end with it.
    """

    def __init__(
        self,
        main: Main,
        name: str,
        *,
        receive: Callable[[Any], None],
        lost: Callable[[], None],
        memory_bytes: int = MEMORY_BYTES,
        may_have_children: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.receive, self.lost, self._is_closing = receive, lost, False
        self._connection, there = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=main, args=(there, memory_bytes), name=name, daemon=not may_have_children)
        with _deaf_to_interrupts():
            self._process.start()
        there.close()
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.waiting_since: float | None = time.monotonic()
        """Since when the process owes an answer, on the monotonic clock; None while it owes none."""
        self._owed = 1
        for target in (self._read, self._write):
            threading.Thread(target=target, name=f"{name}-{target.__name__}", daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return int(self._process.pid or 0)

    @property
    def has_ended(self) -> bool:
        """Whether the process is no more, though `lost` may not have been called yet."""
        # Asking the process itself would join it, and its number would be free for another one.
        return self._is_closing or bool(multiprocessing.connection.wait([self._process.sentinel], 0))

    def send(self, message: Any) -> None:
        """Send a message, each of which the process answers in its own time; never waits."""
        self._owed += 1
        self.waiting_since = self.waiting_since or time.monotonic()
        self._outbox.put(message)

    def is_overdue(self, patience_s: float) -> bool:
        """Whether it has owed an answer for longer than that and sent nothing meanwhile."""
        return self.waiting_since is not None and time.monotonic() - self.waiting_since > patience_s

    def excuse(self, seconds: float) -> None:
        """Leave out so much of the time for which it has owed an answer: nobody could hear it then."""
        if self.waiting_since is not None:
            self.waiting_since = min(self.waiting_since + seconds, time.monotonic())

    def kill(self) -> None:
        """End the process at once; `lost` is called as if it had died by itself."""
        if not self._is_closing:
            self._signal_all(signal.SIGKILL)

    def close(self) -> None:
        """End the process, if need be by force; `lost` is not called."""
        if self._is_closing:
            return
        self._is_closing = True
        self._outbox.put(None)
        self._end_with_children()

    def _end_with_children(self) -> None:
        """End the process and what a user's code started in it, by force where a signal is not heeded."""
        self._signal_all(signal.SIGTERM)
        # Not joined yet: until then its number, which is its children's too, is nobody else's.
        multiprocessing.connection.wait([self._process.sentinel], ENDING_S)
        self._signal_all(signal.SIGKILL)
        self._process.join()

    def _signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the process and to its children."""
        try:
            os.killpg(self.pid, number)
        except (AttributeError, OSError):  # no groups here, or it has not begun its own yet
            if number == signal.SIGKILL:
                self._process.kill()
            else:
                self._process.terminate()

    def _heard(self, message: Any) -> None:
        self._owed -= getattr(message, "answers", 1)
        self.waiting_since = time.monotonic() if self._owed > 0 else None
        if not self._is_closing:
            self.receive(message)

    def _gone(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._end_with_children()
            self.lost()

    def _read(self) -> None:
        """In a thread of its own: what arrives goes to the event loop."""
        with contextlib.suppress(RuntimeError), _ending(self.pid) as ended:  # an error: the loop has ended before the process
            while True:
                try:
                    if self._connection not in multiprocessing.connection.wait([self._connection, *ended]):
                        break
                    message = self._connection.recv()
                except (EOFError, OSError):
                    break
                self._loop.call_soon_threadsafe(self._heard, message)
            self._outbox.put(None)
            self._loop.call_soon_threadsafe(self._gone)

    def _write(self) -> None:
        """In a thread of its own: a process that hangs fills the pipe, and the server must go on."""
        while True:
            message = self._outbox.get()
            if message is None:
                return
            try:
                self._connection.send(message)
            except (OSError, ValueError):
                return


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """What is started within does not hear Ctrl-C, which goes to every process of the terminal, before it can say so itself."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # It starts with the first process otherwise, and lets the signal through again.
    multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _ending(pid: int) -> Iterator[list[int]]:
    """What becomes ready when a process ends; its pipe tells that too, but not while what it started holds the other end open."""
    try:
        found = [os.pidfd_open(pid)]
    except (AttributeError, OSError):  # only Linux has it
        found = []
    try:
        yield found
    finally:
        for one in found:
            os.close(one)
