"""Statuses, and failures of every kind."""

import errno
import io
import os
import signal
import sys
import threading

import pytest
import typer

from ravine import __version__
from ravine.cli import listing
from ravine.cli.main import app, main


@pytest.fixture
def command(monkeypatch):
    """Puts a function in the place of `ravine schedules`."""

    def put(function):
        (found,) = [info for info in app.registered_commands if info.callback is listing.schedules]
        function.__name__ = "schedules"
        monkeypatch.setattr(found, "callback", function)

    return put


def test_nothing_prints_the_help(capsys):
    assert main([]) == 0
    nothing = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == nothing
    assert nothing.startswith("Usage: ravine")


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ravine {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["shwo"], "no command is called 'shwo'; did you mean 'show'? See: ravine --help"),
        (["data", "gett"], "no command is called 'gett'; did you mean 'get'? See: ravine data --help"),
        (
            ["race", "line", "--optimiser", "x"],
            "'ravine race' has no option --optimiser; did you mean --optimizers? See: ravine race --help",
        ),
        (["race", "line", "--zzz"], "'ravine race' has no option --zzz. See: ravine race --help"),
        (["race"], "missing argument 'TASK...'. See: ravine race --help"),
        (["race", "line", "--steps"], "option '--steps' requires an argument."),
        (["race", "line", "--steps", "x"], "'--steps': 'x' is not a whole number. Give one, such as 5. See: ravine race --help"),
        (["show", "a", "b"], "2 records were given, and one is shown at a time: for two side by side add --compare"),
        (["report", "a", "b"], "got unexpected extra argument"),
    ],
)
def test_usage_errors_are_one_sentence_and_status_2(capsys, arguments, sentence):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"ravine: {sentence}")
    assert captured.err.count("\n") == 1


def test_a_defect_keeps_its_traceback(command):
    def broken() -> None:
        raise ZeroDivisionError

    command(broken)
    with pytest.raises(ZeroDivisionError):
        main(["schedules"])


def test_ctrl_c_is_130(command, capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    command(interrupted)
    assert main(["schedules"]) == 130
    assert capsys.readouterr().err == "ravine: interrupted.\n"


def test_sigterm_is_143_and_its_handler_goes(command, capsys):
    def terminated() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    command(terminated)
    assert main(["schedules"]) == 143
    assert capsys.readouterr().err == "ravine: interrupted.\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_closed_pipe_is_silent(command, capsys):
    def unread() -> None:
        raise BrokenPipeError

    command(unread)
    assert main(["schedules"]) == 141
    assert capsys.readouterr() == ("", "")


def test_it_runs_outside_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(main(["schedules"])))
    thread.start()
    thread.join()
    assert found == [0]


def test_arguments_are_the_processes_own(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ravine", "schedules"])
    assert main() == 0
    assert "cosine" in capsys.readouterr().out


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_output_that_cannot_be_printed_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("ravine.cli.main._abandon_stdout", lambda: None)
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["schedules"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("ravine: the output cannot be printed: No space left on device; ")
    assert message.count("\n") == 1


def test_a_file_that_fails_is_not_taken_for_the_output(command):
    def unlucky() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    command(unlucky)
    with pytest.raises(OSError, match="No space"):
        main(["schedules"])


def test_messages_that_nobody_can_get_leave_the_status(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Full())
    assert main(["rase"]) == 2


def test_a_standard_output_that_was_closed_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["schedules"]) == 0


def test_what_the_encoding_lacks_is_escaped(command, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    command(lambda: typer.echo("\u03a9 and \udcff"))
    assert main(["schedules"]) == 0
    assert raw.getvalue() == b"\\u03a9 and \\udcff\n"
