"""Ray, reached or started: in silence, within a time limit, and with nothing of it left behind."""

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from ravine.base._extras import require
from ravine.base.errors import InputError
from ravine.cluster.ray_executor import RaySite
from ravine.cluster.shipping import ship
from ravine.fleet.room import workers_that_fit
from ravine.race.executors import available_cores, check_workers
from ravine.tasks import Task

LOCAL, AUTO = "local", "auto"
FORMS = "'local' (starts one here), 'auto' (the one that runs on this machine), 'HOST:PORT' or 'ray://HOST:PORT'"

REACH_S = 5.0
"""Seconds that a machine has to answer at all."""

HEALTH_S = 30.0
"""Seconds that Ray has to say that it is well: most of them are Python's, loading it."""

_ADDRESS = re.compile(r"(ray://)?(?P<host>[^:/\s]+|\[[^\]\s]+\]):(?P<port>\d{1,5})")

_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Nothing that Ray would report to its makers leaves the machine; and workers of a Ray that is started here wait behind nobody."""


@final
class RayCluster:
    """A cluster at hand; see `ravine.race.executors.Elsewhere`.

    Args:
        ray: the module, connected.
        workers: how many are asked for; None for one a CPU.
    """

    def __init__(self, ray: Any, workers: int | None = None) -> None:
        self._ray = ray
        self.num_cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self.num_slots = self.num_cpus if workers is None else workers

    def site(self, task: Task, mark: bytes) -> RaySite:
        """See `Elsewhere.site`."""
        return RaySite(self._ray, ship(task, mark, self._ray.cloudpickle.dumps), min(self.num_slots, self.num_cpus))

    def fitting(self, one_process: int) -> int:
        """See `Elsewhere.fitting`."""
        found = 0
        for node in (node["Resources"] for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")):
            memory = node.get("memory")
            found += min(int(node["CPU"]), self.num_slots if memory is None else workers_that_fit(one_process, int(memory)))
        return max(1, found)


@contextmanager
def connected(address: str, workers: int | str = "auto") -> Iterator[RayCluster]:
    """Ray at an address, as long as the block lasts; one that the caller has already connected to is used and left as it is.

    Args:
        address: see `FORMS`.
        workers: a number, or "auto" for one a CPU of the cluster; of a cluster started here, of this machine.

    Raises:
        InputError: no such cluster answers in time.
        MissingExtraError: Ray is not installed.
    """
    asked = check_workers(workers)
    _check_form(address)
    with _quietly():
        ray = require("ray", extra="ray", purpose="a race on Ray")
    if ray.is_initialized():
        yield RayCluster(ray, asked)
        return
    folder = tempfile.mkdtemp(prefix="ravine-ray-")
    prints = ray._private.worker.print_to_stdstream
    try:
        # Ray 2.60 prints what happens to its workers, the killed ones too, whatever it is told about logs.
        ray._private.worker.print_to_stdstream = _nothing
        with _quietly():
            if address == LOCAL:
                here = {"include_dashboard": False, "_node_ip_address": "127.0.0.1", "_temp_dir": folder}
                _begin(ray, address, num_cpus=asked or available_cores(), **here)
            else:
                _check_health(address)
                _begin(ray, address)
        yield RayCluster(ray, asked)
    finally:
        with _signals():
            ray.shutdown()
        ray._private.worker.print_to_stdstream = prints
        shutil.rmtree(folder, ignore_errors=True)


def _begin(ray: Any, address: str, **options: Any) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
    except ConnectionError as error:
        # What Ray's own client says, after half a minute, of a port that takes a connection and never answers.
        raise _silent(address, str(error)) from None
    except (Exception, SystemExit) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
        other = "Try again when the machine is less busy" if address == LOCAL else f"Give {FORMS}"
        # Without the cause: its traceback is Ray's, and no line of it the user's.
        raise InputError(f"--ray {address}: Ray did not begin ({reason}). {other}, or leave --ray out.", given=address) from None


def _nothing(*_: object, **__: object) -> None:
    """What Ray prints with."""


def _check_form(address: str) -> None:
    if address in (LOCAL, AUTO):
        return
    match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if match is None or not 0 < int(match["port"]) < 2**16:
        raise InputError(f"--ray {address}: must be {FORMS}.", given=address)


def _check_health(address: str) -> None:
    """Ask for a sign of life first: Ray itself would try for two minutes and then end the process."""
    match = _ADDRESS.fullmatch(address)
    try:
        if match is not None:
            socket.create_connection((match["host"].strip("[]"), int(match["port"])), timeout=REACH_S).close()
    except OSError as error:
        raise _silent(address, error.strerror or "no answer") from error
    if address.startswith("ray://"):
        return
    where = [] if match is None else ["--address", address]
    try:
        command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", *where]
        done = subprocess.run(command, capture_output=True, timeout=HEALTH_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _silent(address, f"no answer within {HEALTH_S:.0f} s") from error
    if done.returncode != 0:
        raise _silent(address, "what answers there is no Ray, or is not well" if match else "none runs on this machine")


def _silent(address: str, why: str) -> InputError:
    return InputError(f"--ray {address}: there is no Ray cluster to be reached ({why}). Give {FORMS}, or leave --ray out.", given=address)


@contextmanager
def _quietly() -> Iterator[None]:
    """Ray's own settings, warnings and signal handlers inside, ours again outside."""
    before = {name: os.environ.get(name) for name in _SETTINGS}
    os.environ.update(_SETTINGS)
    try:
        with warnings.catch_warnings(), _signals():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})


@contextmanager
def _signals() -> Iterator[None]:
    """Handlers as they were before, where Ray puts its own in their place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
