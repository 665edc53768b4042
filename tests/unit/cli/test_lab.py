import webbrowser

import pytest

from ravine.cli.main import main
from ravine.lab import serving


@pytest.fixture
def served(monkeypatch):
    """What the command asked for, with a lab that is announced and then ended."""
    calls, opened = [], []

    def serve(files, *, task, port, announce):
        calls.append((list(files), task, port))
        announce(serving.Address(8747, "secret"))
        raise KeyboardInterrupt

    monkeypatch.setattr(serving, "serve", serve)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    return calls, opened


def test_it_prints_the_address_opens_it_and_ends_in_peace(served, capsys):
    assert main(["lab"]) == 0
    assert capsys.readouterr().out == "lab  http://127.0.0.1:8747/#token=secret\nlab  ended\n"
    assert served == ([([], None, None)], ["http://127.0.0.1:8747/#token=secret"])


def test_options(served):
    assert main(["lab", "a.ravine", "b.ravine", "--task", "task.py", "--port", "8800", "--no-open"]) == 0
    (files, task, port), opened = served[0][0], served[1]
    assert ([str(file) for file in files], task, port, opened) == (["a.ravine", "b.ravine"], "task.py", 8800, [])


def test_bad_input_is_one_sentence(capsys):
    assert main(["lab", "none.ravine", "--no-open"]) == 2
    assert capsys.readouterr().err == "ravine: none.ravine does not exist: give records that `ravine race` wrote, or none.\n"
    with serving.listen(0) as listener:
        port = listener.getsockname()[1]
        assert main(["lab", "--no-open", "--port", str(port)]) == 2
    assert (
        capsys.readouterr().err
        == f"ravine: port {port} is taken by another program: give another --port, or leave it out for one that is free.\n"
    )
