"""With a process that answers at once and imports nothing heavy."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ravine.lab.confines import confine
from ravine.lab.links import Link


def echo(connection, memory_bytes):
    """Greets, then answers each message with itself; "die" ends it, "hang" answers no more."""
    connection.send(("hello", memory_bytes))
    while True:
        message = connection.recv()
        if message == "die":
            os._exit(3)
        if message == "hang":
            time.sleep(1000)
        connection.send(message)


async def until(holds):
    for _ in range(3000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


def run(script):
    heard, lost = [], []

    async def main():
        link = Link(echo, "echo", receive=heard.append, lost=lambda: lost.append(True), memory_bytes=7)
        try:
            await until(lambda: heard)
            await script(link, heard, lost)
        finally:
            link.close()

    asyncio.run(main())
    return heard, lost


def test_messages_come_back_and_nothing_is_owed_then():
    async def script(link, heard, lost):
        assert link.waiting_since is None
        link.send("one")
        link.send({"large": "x" * 500_000})
        assert link.waiting_since is not None
        await until(lambda: len(heard) == 3)
        assert link.waiting_since is None

    heard, lost = run(script)
    assert heard[:2] == [("hello", 7), "one"]
    assert not lost


def test_a_process_that_dies_is_told_once():
    async def script(link, heard, lost):
        link.send("die")
        await until(lambda: lost)
        link.send("to nobody")

    assert run(script)[1] == [True]


def test_a_process_that_hangs_is_overdue_and_can_be_killed_while_messages_wait():
    async def script(link, heard, lost):
        link.send("hang")
        for _ in range(50):
            link.send("x" * 100_000)
        assert not link.is_overdue(100.0)
        await until(lambda: link.is_overdue(0.05))
        link.kill()
        await until(lambda: lost)

    run(script)


def test_closing_ends_the_process_and_is_no_loss():
    pids = []

    async def script(link, heard, lost):
        pids.append(link.pid)
        link.close()
        link.close()

    assert run(script)[1] == []
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def forks(connection, memory_bytes):
    """Starts a process of its own, as a user's code may, and tells its number."""
    confine(2**40)
    child = os.fork()
    if child == 0:
        time.sleep(1000)
        os._exit(0)
    connection.send(child)
    if connection.recv() == "die":
        os._exit(3)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("end", ["close", "kill", "die"])
def test_what_was_started_in_a_process_ends_with_it(end):
    async def script():
        heard, lost = [], []
        link = Link(forks, "forks", receive=heard.append, lost=lambda: lost.append(True))
        await until(lambda: heard)
        if end == "die":
            link.send(end)
        else:
            getattr(link, end)()
        await until(lambda: end == "close" or lost)
        link.close()
        await until(lambda: not is_running(heard[0]))

    asyncio.run(script())


def leaves_a_stubborn_child(connection, memory_bytes):
    """Starts a process that heeds no polite signal, and tells its number."""
    confine(2**40)
    child = subprocess.Popen(["sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done"], stdout=subprocess.PIPE)
    child.stdout.readline()
    connection.send(child.pid)
    if connection.recv() == "die":
        os._exit(3)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("end", ["close", "die"])
def test_a_child_that_heeds_no_polite_signal_ends_too(end):
    async def script():
        heard, lost = [], []
        link = Link(leaves_a_stubborn_child, "stubborn", receive=heard.append, lost=lambda: lost.append(True))
        await until(lambda: heard)
        if end == "die":
            link.send(end)
            await until(lambda: lost)
        link.close()
        for _ in range(200):
            if not is_running(heard[0]):
                return
            await asyncio.sleep(0.01)
        os.kill(heard[0], signal.SIGKILL)
        raise AssertionError("it was left behind")

    asyncio.run(script())


def shuts_its_pipe(connection, memory_bytes):
    """Is not there for anybody, and does not end either."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.send("here")
    connection.close()
    time.sleep(20)


def test_a_process_that_only_shuts_its_pipe_is_ended_and_the_server_goes_on():
    async def script():
        heard, lost = [], []
        began = time.monotonic()
        link = Link(shuts_its_pipe, "shut", receive=heard.append, lost=lambda: lost.append(True))
        await until(lambda: lost)
        assert (heard, link.has_ended) == (["here"], True)
        return time.monotonic() - began

    assert asyncio.run(script()) < 20, "nothing waits for its own end"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there is no other way to be deaf from the start")
def test_ctrl_c_does_not_reach_a_process_that_is_only_starting():
    async def script():
        heard, lost = [], []
        link = Link(echo, "echo", receive=heard.append, lost=lambda: lost.append(True))
        os.kill(link.pid, signal.SIGINT)
        await until(lambda: heard or lost)
        link.close()
        return lost

    assert asyncio.run(script()) == []
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, []), "the server hears it as before"


def test_time_in_which_nobody_could_hear_is_not_counted():
    async def script(link, heard, lost):
        link.excuse(5.0)
        assert link.waiting_since is None
        link.send("hang")
        link.waiting_since -= 100.0
        link.excuse(90.0)
        assert link.is_overdue(5.0)
        assert not link.is_overdue(50.0)
        link.excuse(1000.0)
        assert not link.is_overdue(5.0)

    run(script)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
