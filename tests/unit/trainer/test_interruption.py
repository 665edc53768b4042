"""Signals: noted inside the block, as before outside of it."""

import os
import signal
import threading

import pytest

from ravine.trainer import interruption
from ravine.trainer.interruption import listening


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_a_signal_is_noted_and_handlers_are_put_back(number, reason):
    before = signal.getsignal(number)
    with listening() as asked:
        assert asked.reason is None
        os.kill(os.getpid(), number)
        assert asked.reason == reason
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_does_not_wait():
    with listening() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.reason == "interrupted"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_where_nothing_can_be_saved_signals_do_what_they_do():
    with listening(wanted=False), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_leave_signals_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with listening():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_second_ctrl_c_within_the_grace_is_the_first_one_again(monkeypatch):
    now = 100.0
    monkeypatch.setattr(interruption.time, "monotonic", lambda: now)
    with listening(grace_s=2.0) as asked:
        os.kill(os.getpid(), signal.SIGINT)
        now = 101.9
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.reason == "interrupted"
        now = 102.1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
