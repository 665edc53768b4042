"""Signals in a race: the first one asks, the second one ends."""

import signal
import threading
import time

import pytest

from ravine.race import stopping
from ravine.race.stopping import Stopping


class Terminated(KeyboardInterrupt):
    """What a command line makes of SIGTERM."""


@pytest.fixture
def terminating():
    def terminate(number, frame):
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


def test_the_first_signal_only_asks_and_the_race_ends_by_itself():
    with Stopping() as found:
        assert not found.is_asked()
        found.end()
        signal.raise_signal(signal.SIGINT)
        assert found.is_asked()
        with pytest.raises(KeyboardInterrupt):
            found.end()


def test_the_second_signal_ends_it_at_once():
    with Stopping() as found:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert found.is_asked()


def test_sigterm_raises_what_it_would_have_raised(terminating):
    with Stopping() as found:
        signal.raise_signal(signal.SIGTERM)
        assert found.is_asked()
        with pytest.raises(Terminated):
            found.end()


def wait_long():
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        time.sleep(0.01)


def test_a_race_that_reaches_no_end_is_ended_after_a_while(monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE_S", 0.05)
    with Stopping():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            wait_long()


def test_handlers_are_put_back_and_nothing_strikes_later(monkeypatch, terminating):
    monkeypatch.setattr(stopping, "PATIENCE_S", 0.05)
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with Stopping():
        assert [signal.getsignal(number) for number in stopping.SIGNALS] != before
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before
    time.sleep(0.1)


def test_signals_that_python_does_not_handle_stay_so():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Stopping() as found:
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
            signal.raise_signal(signal.SIGTERM)
            assert not found.is_asked()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_it_does_nothing_outside_the_main_thread():
    failures = []

    def inside():
        try:
            with Stopping() as found:
                assert not found.is_asked()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert failures == []
