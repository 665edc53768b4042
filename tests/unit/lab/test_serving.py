import builtins
import socket

import pytest

from ravine.base.errors import DataNotFoundError, InputError, MissingExtraError
from ravine.lab.serving import HOST, Address, listen, serve


def test_it_listens_on_this_machine_only():
    with listen(0) as listener:
        assert listener.getsockname()[0] == HOST == "127.0.0.1"


def test_a_port_that_is_taken_is_told_in_a_sentence():
    with listen(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} is taken by another program: give another --port"):
            listen(port)


def test_without_a_port_the_next_free_one_is_taken():
    with listen(None) as first, listen(None) as second:
        assert first.getsockname()[1] != second.getsockname()[1]


@pytest.mark.parametrize("port", [-1, 70_000])
def test_what_is_no_port(port):
    with pytest.raises(InputError, match="port="):
        listen(port)


def test_what_is_missing_is_told_before_anything_starts(tmp_path, monkeypatch):
    with pytest.raises(DataNotFoundError, match=r"none\.ravine does not exist"):
        serve([tmp_path / "none.ravine"])
    with pytest.raises(DataNotFoundError, match=r"no_task\.py does not exist"):
        serve(task=str(tmp_path / "no_task.py") + ":make")
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("uvicorn"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr("importlib.import_module", without)
    with pytest.raises(MissingExtraError, match=r"ravine\[lab\]"):
        serve()


def test_the_token_stands_behind_the_hash():
    assert Address(8747, "t").url == "http://127.0.0.1:8747/#token=t"
    assert socket.gethostbyname(HOST) == HOST
