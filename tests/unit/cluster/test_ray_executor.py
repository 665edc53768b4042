"""Lines to actors, over a Ray that runs them in this process; the real one has its tests in tests/e2e/test_ray.py."""

import types

import pytest

from lane_models import lanes
from ravine.base.errors import TaskError
from ravine.cluster.hand import Gone, Hello, Shipped
from ravine.cluster.ray_executor import RaySite
from ravine.cluster.shipping import Shipment, versions
from ravine.fleet import Evaluations, Finished, Paused, Remark, Saved, Snapshots
from ravine.fleet.serving import Job, Stage

MEMBERS = tuple(lanes(("sgd", {}), ("adam", {})))


class RayError(Exception):
    pass


class Method:
    def __init__(self, call):
        self.remote = call

    def options(self, **_):
        return self


class FakeRay:
    """Actors whose words are given beforehand: each `hear` gives the next list, or raises it."""

    exceptions = types.SimpleNamespace(RayError=RayError)

    def __init__(self, *words):
        self.words, self.told, self.stored, self.killed = list(words), [], [], 0

    def put(self, thing):
        self.stored.append(thing)
        return ("ref", len(self.stored) - 1)

    def remote(self, **options):
        assert options["num_cpus"] == 1
        actor = types.SimpleNamespace(hear=Method(object), tell=Method(lambda *message: self.told.append(message)))
        return lambda cls: types.SimpleNamespace(remote=lambda *_: actor)

    def wait(self, refs, num_returns, timeout):
        return (refs[: max(1, num_returns)], []) if self.words else ([], refs)

    def get(self, ref):
        word = self.words.pop(0)
        if isinstance(word, Exception):
            raise word
        return word

    def kill(self, actor):
        self.killed += 1


def start(*words):
    ray = FakeRay(*words)
    site = RaySite(ray, Shipment(None, "", {}), 2)
    return ray, site, site.start(0)


def stage(folder):
    return Stage(7, 10, Evaluations({}, {}), Snapshots(folder, "race", 1.0))


HELLO = Hello(41, "node-a", versions())


def test_words_come_one_by_one_in_their_order():
    _, site, link = start([HELLO, Remark("one"), Remark("two")], [None])
    assert "has not started yet" in link.name
    assert site.wait([link], 0.0) == [link]
    assert [link.recv().text, link.recv().text] == ["one", "two"]
    assert link.name == "the Ray worker with process number 41 on node-a"
    assert link.recv() is None
    assert site.wait([link], 0.0) == []
    assert site.wait([], 0.0) == []


def test_a_greeting_alone_is_no_news():
    _, site, link = start([HELLO])
    assert site.wait([link], 0.0) == []


def test_an_actor_that_died_has_ended_and_one_that_cannot_begin_says_why():
    ray, site, link = start([HELLO], RayError("The actor died unexpectedly"))
    link.listen()
    assert site.wait([link], 0.0) == [link]
    with pytest.raises(EOFError):
        link.recv()
    assert link.ending() == "its Ray actor on node-a died"
    assert ray.killed == 1
    _, _, link = start(RayError("error raised in its creation task, x\nModuleNotFoundError: No module named 'ravine'"))
    told = link.recv()
    assert isinstance(told, TaskError)
    assert str(told).startswith("a Ray worker could not begin: ModuleNotFoundError: No module named 'ravine'. Install the same")
    _, _, link = start([Gone()])
    with pytest.raises(EOFError):
        link.recv()


def test_another_version_on_a_node_is_refused():
    _, _, link = start([Hello(1, "node-b", {"ravine": "0.0.1", "torch": versions()["torch"]})])
    assert "the node node-b has ravine 0.0.1 (here" in str(link.recv())


def test_a_stage_is_sent_once_and_a_job_with_its_snapshot(tmp_path):
    ray, site, link = start([HELLO, Paused(tuple(lane.number for lane in MEMBERS), 3), Finished((0, 1), 1.0)])
    given, job = stage(tmp_path), Job(MEMBERS, "stacked")
    link.send(given)
    site.start(0).send(given)
    assert ray.stored.count(given) == 1
    link.send(job)
    given.snapshots.file(job.numbers).write_bytes(b"snapshot")
    link.send(job)
    assert [content for message, content in ray.told if message is job] == [None, b"snapshot"]
    assert isinstance(link.recv(), Paused)
    link.send(job)
    assert ray.told[-1] == (job, None), "what it holds is not sent again"
    link.recv()
    link.send(job)
    assert ray.told[-1] == (job, b"snapshot")
    link.send(None)
    assert ray.told[-1] == (None, None)


def test_a_draft_lands_beside_the_record_and_a_full_disk_is_a_remark(tmp_path):
    shipped = Shipped(Saved((0, 1), 5, "/elsewhere/.lanes-0-2.safetensors.ab"), b"content")
    _, _, link = start([shipped, shipped])
    link.send(stage(tmp_path / "snapshots"))
    saved = link.recv()
    assert saved == Saved((0, 1), 5, str(tmp_path / "snapshots" / ".lanes-0-2.safetensors.ab"))
    assert (tmp_path / "snapshots" / ".lanes-0-2.safetensors.ab").read_bytes() == b"content"
    (tmp_path / "file").write_text("no folder")
    link.send(stage(tmp_path / "file" / "snapshots"))
    assert "no snapshot can be written to" in link.recv().text
