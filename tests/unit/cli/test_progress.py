"""Progress from events."""

import errno
import io
import os
import sys
from types import SimpleNamespace

import numpy as np
from rich.console import Console

from ravine.cli._tally import Tally
from ravine.cli.progress import Bars, Lines, Messages, standings, watching
from ravine.fleet import Choice, Diverged, Evaluated, Finished, LossBlock
from ravine.race.stage import Silent

CHOICE = Choice("stacked", 2, "it is the fastest", {}, 12.0)


def entries(*optimizers):
    return [SimpleNamespace(row=SimpleNamespace(lane=lane, optimizer=optimizer)) for lane, optimizer in enumerate(optimizers)]


def block(lanes, first, steps):
    return LossBlock(lanes, first, np.zeros((steps, len(lanes)), dtype=np.float32))


def evaluated(lanes, step, losses):
    return Evaluated(lanes, step, "test", {"loss": np.array(losses)})


def told(observer):
    observer.stage("tune", entries("sgd", "sgd", "adam"), 10, CHOICE, 3_000_000)
    for event in (block((0, 1), 0, 10), Diverged(0, 7, "x"), Finished((0, 1), 0.1)):
        observer.event(event)
    observer.note("lanes run one after the other")
    observer.event(Finished((2,), 0.1))


def console(*, terminal=False):
    return Console(file=io.StringIO(), width=100, force_terminal=terminal, color_system=None, _environ={"TERM": "xterm"})


def text(console):
    return console.file.getvalue()


def test_lines_are_one_at_each_end_of_a_stage_and_one_a_note():
    target = console()
    told(Lines(target))
    lines = text(target).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("tune: 3 lanes of 10 steps, stacked")
    assert lines[1] == "note: lanes run one after the other"
    assert lines[2].startswith("tune: done in ")
    assert lines[2].endswith("; 1 of 3 lanes diverged")


def test_lost_messages_do_not_end_a_race():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    told(Lines(Messages(file=Gone(), width=100)))


def test_bars_show_the_stage_while_it_runs_and_a_spinner_otherwise():
    target = console(terminal=True)
    bars = Bars(target)
    target.print(bars.render())
    assert "loading the task" in text(target)
    bars.stage("tune", entries("sgd", "adam"), 10, CHOICE, 100)
    for event in (block((0,), 0, 4), evaluated((0,), 4, [0.125])):
        bars.event(event)
    target.print(bars.render())
    assert "4 of 20 lane-steps" in text(target)
    bars.event(Finished((0, 1), 0.1))
    assert "done in" in text(target)
    target.print(bars.render())
    assert "comparing" in text(target)


def test_standings_have_a_line_for_each_optimiser():
    target = console()
    tally = Tally("tune", entries("sgd", "sgd", "adam"), 1000)
    tally.take(evaluated((0, 1), 1000, [0.5, 0.123456]))
    tally.take(Diverged(0, 7, "x"))
    target.print(standings(tally))
    rows = [line.split() for line in text(target).splitlines()[1:]]
    assert rows == [["sgd", "1", "of", "2", "0.1235", "1,000"], ["adam", "1", "of", "1"]]


def test_watching_fits_where_messages_go(capsys, monkeypatch):
    with watching(quiet=True) as observer:
        assert isinstance(observer, Silent)
    with watching(quiet=False) as observer:
        assert type(observer) is Lines
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with watching(quiet=False) as observer:
        assert isinstance(observer, Bars)
    monkeypatch.setenv("TERM", "dumb")
    with watching(quiet=False) as observer:
        assert type(observer) is Lines
    assert capsys.readouterr().out == ""


def test_messages_on_a_full_disk_do_not_end_a_race(monkeypatch):
    class Full(io.StringIO):
        def write(self, text=""):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        flush = write

    monkeypatch.setattr(sys, "stderr", Full())
    with watching(quiet=False) as observer:
        observer.note("lost")
