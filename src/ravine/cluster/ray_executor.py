"""Workers as Ray actors: the same lines as to processes, over whatever network Ray has."""

import contextlib
import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from ravine.base.errors import TaskError
from ravine.cluster.hand import Gone, Hand, Hello, Shipped
from ravine.cluster.shipping import Shipment, versions
from ravine.fleet import Finished, Paused, Remark, Saved, Snapshots
from ravine.fleet.serving import Job, Stage

EARS, MOUTH = "ears", "mouth"
"""One thread each, so that messages arrive in the order in which they were sent while another waits for news."""


@final
class RaySite:
    """The actors of one race; see `ravine.fleet.workers.Site`.

    Args:
        ray: the module, connected.
        shipment: the task.
        capacity: most actors at a time.
    """

    def __init__(self, ray: Any, shipment: Shipment, capacity: int) -> None:
        self.ray, self.capacity = ray, capacity
        self._shipment = ray.put(shipment)
        self._stage: tuple[Stage | None, Any] = (None, None)
        groups = {EARS: 1, MOUTH: 1}
        self._actor = ray.remote(num_cpus=1, max_restarts=0, concurrency_groups=groups)(Hand)

    def start(self, race_seed: int) -> "ActorLink":
        """See `Site.start`."""
        return ActorLink(self, self._actor.remote(self._shipment, race_seed))

    def wait(self, links: Sequence[Any], timeout: float) -> list[Any]:
        """See `Site.wait`."""
        if not links:
            time.sleep(timeout)
        if not any(link.heard for link in links):
            by_news = {link.news: link for link in links}
            ready, _ = self.ray.wait(list(by_news), num_returns=1, timeout=timeout) if links else ([], [])
            if ready:
                ready, _ = self.ray.wait(list(by_news), num_returns=len(by_news), timeout=0)
            for news in ready:
                by_news[news].listen()
        return [link for link in links if link.heard]

    def shared(self, stage: Stage) -> Any:
        """A stage, whose data every actor needs, sent once.

        Stages are told apart by identity: their numbers begin again with every pool of this site.
        """
        if self._stage[0] is not stage:
            self._stage = stage, self.ray.put(stage)
        return self._stage[1]


@final
class ActorLink:
    """The line to one actor; see `ravine.fleet.workers.Link`.

    Args:
        site: whose actor.
        actor: its handle.

    Attributes:
        news: what it will say next, as Ray refers to it.
        heard: what it has said.
    """

    def __init__(self, site: RaySite, actor: Any) -> None:
        self._site, self._actor, self._ray = site, actor, site.ray
        self._snapshots: Snapshots | None = None
        self._holds: set[tuple[int, ...]] = set()
        self._hello: Hello | None = None
        self.heard: deque[Any] = deque()
        self.news = self._ask()

    @property
    def name(self) -> str:
        """See `Link.name`."""
        if self._hello is None:
            return "a Ray worker that has not started yet (perhaps no CPU of the cluster is free)"
        return f"the Ray worker with process number {self._hello.pid} on {self._hello.host}"

    def send(self, message: Any) -> None:
        """See `Link.send`; a job goes with the content of its last valid snapshot."""
        content = None
        if isinstance(message, Stage):
            self._snapshots = message.snapshots
            self._holds.clear()
            message = self._site.shared(message)
        elif isinstance(message, Job) and self._snapshots is not None and message.numbers not in self._holds:
            file = self._snapshots.file(message.numbers)
            content = file.read_bytes() if file.is_file() else None
        self._actor.tell.options(concurrency_group=EARS).remote(message, content)

    def recv(self) -> Any:
        """See `Link.recv`."""
        if not self.heard:
            self.listen()
        message = self.heard.popleft()
        match message:
            case Gone():
                raise EOFError
            case Shipped():
                return self._kept(message)
            case Paused():
                self._holds.add(message.lanes)
            case Finished():
                self._holds.discard(message.lanes)
        return message

    def listen(self) -> None:
        """Take in what it has said, and ask for more."""
        try:
            self.heard += [word for word in self._ray.get(self.news) if not self._is_greeting(word)]
            self.news = self._ask()
        except self._ray.exceptions.RayError as error:
            self.heard.append(_refusal(error) or Gone())

    def end(self) -> None:
        """See `Link.end`."""
        self._ray.kill(self._actor)

    def ending(self) -> str:
        """See `Link.ending`."""
        self.end()
        return "its Ray actor" + (f" on {self._hello.host}" if self._hello else "") + " died"

    def _ask(self) -> Any:
        return self._actor.hear.options(concurrency_group=MOUTH).remote()

    def _is_greeting(self, word: Any) -> bool:
        if not isinstance(word, Hello):
            return False
        self._hello, here = word, versions()
        other = [f"{name} {version} (here {here[name]})" for name, version in word.versions.items() if version != here[name]]
        if other:
            self.heard.append(TaskError(f"the node {word.host} has {', '.join(other)}: install the same versions on every node."))
        return True

    def _kept(self, shipped: Shipped) -> Saved | Remark:
        """The draft beside the record, as a worker of this machine would have left it."""
        assert self._snapshots is not None
        draft = self._snapshots.folder / Path(shipped.saved.draft).name
        try:
            self._snapshots.folder.mkdir(exist_ok=True)
            with draft.open("wb") as file:
                file.write(shipped.content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            why = error.strerror or str(error)
            place = f"no snapshot can be written to {self._snapshots.folder} ({why})"
            return Remark(f"{place}: the race goes on, but a kill would cost more of it")
        return Saved(shipped.saved.lanes, shipped.saved.step, str(draft))


def _refusal(error: Exception) -> TaskError | None:
    """Why an actor could not begin, where another one could not either; None where it died."""
    text = str(error).strip()
    if "creation task" not in text and "import" not in text:
        return None
    reason = text.splitlines()[-1].strip().rstrip(".")
    return TaskError(f"a Ray worker could not begin: {reason}. Install the same ravine, torch and Python on every node.")
