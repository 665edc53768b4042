"""Reaching Ray: what cannot be reached is one sentence, soon."""

import signal
import socket
import subprocess
import types

import pytest

import ravine
from ravine.base.errors import InputError, MissingExtraError
from ravine.cluster import RayCluster, connected, connecting
from ravine.fleet.room import PROCESS_BYTES, SHARE


class FakeRay:
    """As much of Ray as connecting needs."""

    def __init__(self, *, is_initialized=False, fails=None):
        self.calls, self._is_initialized, self._fails = [], is_initialized, fails
        self._private = types.SimpleNamespace(worker=types.SimpleNamespace(print_to_stdstream=print))

    def is_initialized(self):
        return self._is_initialized

    def init(self, **options):
        self.calls.append(("init", options))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._fails:
            raise self._fails

    def shutdown(self):
        self.calls.append(("shutdown", {}))

    def cluster_resources(self):
        return {"CPU": 6.0}

    def nodes(self):
        small, large = {"CPU": 4.0, "memory": 3.0 * (PROCESS_BYTES + 100) / SHARE}, {"CPU": 2.0, "memory": 1e15}
        return [{"Alive": True, "Resources": small}, {"Alive": True, "Resources": large}, {"Alive": False, "Resources": large}]


@pytest.fixture
def use(monkeypatch):
    def put(fake):
        monkeypatch.setattr(connecting, "require", lambda *_, **__: fake)
        return fake

    return put


def test_a_local_one_is_started_in_silence_and_ended(use):
    ray, before = use(FakeRay()), signal.getsignal(signal.SIGTERM)
    with connected("local", 3) as cluster:
        assert (cluster.num_slots, cluster.num_cpus) == (3, 6)
        assert signal.getsignal(signal.SIGTERM) is before, "Ctrl-C and its like are ours"
        assert ray._private.worker.print_to_stdstream("word") is None
    assert ray._private.worker.print_to_stdstream is print, "whoever uses Ray afterwards hears it again"
    (name, options), (last, _) = ray.calls
    assert (name, last) == ("init", "shutdown")
    assert options["num_cpus"] == 3
    assert options["_node_ip_address"] == "127.0.0.1", "nobody else can reach it"
    assert options["log_to_driver"] is False


def test_one_that_the_caller_is_connected_to_is_used_and_left(use):
    ray = use(FakeRay(is_initialized=True))
    with connected("auto") as cluster:
        assert cluster.num_slots == 6
    assert ray.calls == []


def test_whatever_stops_ray_is_one_sentence_and_nothing_stays(use):
    for error in (RuntimeError("Version mismatch: 2.1\nmore"), SystemExit(15)):
        ray = use(FakeRay(fails=error))
        with pytest.raises(InputError, match=r"--ray local: Ray did not begin \((Version mismatch: 2.1|15)\)"), connected("local", 1):
            pass
        assert ray.calls[-1][0] == "shutdown"


@pytest.mark.parametrize("given", ["nonsense", "host", "host:0", "host:70000", "http://host:1", "local:2x", ""])
def test_an_address_has_one_of_four_forms(use, given):
    use(FakeRay())
    with pytest.raises(InputError, match=r"--ray .*: must be 'local' .* 'HOST:PORT' or 'ray://HOST:PORT'"), connected(given):
        pass


def test_a_port_where_nobody_listens_is_told_at_once(use):
    ray = use(FakeRay())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with (
            pytest.raises(InputError, match=rf"--ray {address}: there is no Ray cluster to be reached \(Connection refused\)"),
            connected(address),
        ):
            pass
    assert all(name != "init" for name, _ in ray.calls)


def test_what_listens_and_is_no_ray_is_told_within_the_time_limit(use, monkeypatch):
    use(FakeRay())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setattr(connecting.subprocess, "run", lambda *_, **__: types.SimpleNamespace(returncode=1))
        with pytest.raises(InputError, match="what answers there is no Ray"), connected(address):
            pass

        def hang(*_, timeout, **__):
            raise subprocess.TimeoutExpired("ray", timeout)

        monkeypatch.setattr(connecting.subprocess, "run", hang)
        with pytest.raises(InputError, match="no answer within 30 s"), connected(address):
            pass
    monkeypatch.setattr(connecting.subprocess, "run", lambda *_, **__: types.SimpleNamespace(returncode=1))
    with pytest.raises(InputError, match="none runs on this machine"), connected("auto"):
        pass


def test_what_takes_a_connection_and_never_answers_is_given_up_in_time(use, monkeypatch):
    """Ray's own health check, for real: it would wait two minutes."""
    ray = use(FakeRay())
    monkeypatch.setattr(connecting, "HEALTH_S", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(InputError, match=rf"--ray {address}: there is no Ray cluster to be reached \(no answer within 0 s\)"),
            connected(address),
        ):
            pass
    assert [name for name, _ in ray.calls] == ["shutdown"]


def test_a_client_s_port_that_never_answers_is_no_cluster(use):
    use(FakeRay(fails=ConnectionError("ray client connection timeout")))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"ray://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError) as caught, connected(address):
            pass
    assert str(caught.value) == (
        f"--ray {address}: there is no Ray cluster to be reached (ray client connection timeout). "
        f"Give {connecting.FORMS}, or leave --ray out."
    )


def test_a_local_one_that_takes_too_long_to_start_says_what_to_do(use, monkeypatch, tmp_path):
    monkeypatch.setattr(connecting.tempfile, "tempdir", str(tmp_path))
    slow = "The current node timed out during startup. This could happen because the GCS has become overloaded."
    use(FakeRay(fails=Exception(slow)))
    with pytest.raises(InputError) as caught, connected("local"):
        pass
    assert str(caught.value) == (
        f"--ray local: Ray did not begin ({slow[:-1]}). Try again when the machine is less busy, or leave --ray out."
    )
    assert not list(tmp_path.iterdir()), "its folder is gone"


def test_a_healthy_one_is_connected_to(use, monkeypatch):
    ray, asked = use(FakeRay()), []
    monkeypatch.setattr(connecting.subprocess, "run", lambda command, **_: asked.append(command) or types.SimpleNamespace(returncode=0))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            with connected(address):
                assert ray.calls[-1][1]["address"] == address
    assert [command[-1] for command in asked] == [f"127.0.0.1:{port}"], "a client's port is asked by the client"


def test_an_unusable_device_is_told_before_ray_begins(use):
    ray = use(FakeRay())
    with pytest.raises(InputError, match="device='gpu'"):
        ravine.race("line", optimizers=["sgd"], steps=2, ray="local", device="gpu")
    assert ray.calls == []


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ravine\[ray\]'"), connected("local"):
        pass


def test_every_node_holds_what_its_cores_and_its_memory_allow():
    cluster = RayCluster(FakeRay())
    assert cluster.fitting(100) == 3 + 2
    assert cluster.fitting(10**14) == 1 + 2
    assert RayCluster(FakeRay(), 2).num_slots == 2
