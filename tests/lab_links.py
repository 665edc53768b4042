"""A session whose process is played by the test."""

import asyncio

import numpy as np

from ravine.lab.race_worker import Advance, Made, Make, Ready, Taken
from ravine.lab.sessions import Session
from ravine.lab.settings import PRESET


class FakeLink:
    """Keeps what is sent."""

    def __init__(self):
        self.sent, self.pid, self.waiting_since = [], 1, None
        self.is_killed = self.is_closed = self.has_ended = False
        self.excused = 0.0
        self.receive = self.lost = None

    def send(self, message):
        self.sent.append(message)

    def is_overdue(self, patience_s):
        return patience_s < 1

    def excuse(self, seconds):
        self.excused += seconds

    def kill(self):
        self.is_killed = True

    def close(self):
        self.is_closed = True


def make(**given):
    return Make(0, {**PRESET, "optimizers": ["sgd", "adam"], **given}, {"sgd": 0.1, "adam": 0.2})


def taken(revision, last, steps=0, *, looks=(), diverged=(), end="", evaluations=()):
    losses = np.arange(last - steps, last, dtype=np.float32)[:, None].repeat(2, axis=1)
    shown = [(step, np.zeros((2, 3), np.float32), {"lr": np.array([0.1, 0.2])}, True) for step in looks]
    values = {step: {"loss": np.array([1.0, np.nan])} for step in evaluations}
    return Taken(revision, last, losses, values, shown, list(diverged), [True, True], end)


FACTS = {
    "lanes": [{"lane": 0, "optimizer": "sgd", "lr": 0.1, "hypers": {}}, {"lane": 1, "optimizer": "adam", "lr": 0.2, "hypers": {}}],
    "task": "a curve",
    "metric": "loss",
    "mode": "stacked",
    "why": "",
    "rows": 64,
    "train_rows": 128,
    "parameters": 13,
    "same_weights": True,
    "weights": "aa",
    "same_batches": True,
    "batches": "bb",
}


async def ready(answer_s=60.0, **given):
    """A session with a race that is ready, and its link."""
    link = FakeLink()
    session = Session("1", lambda: link, answer_s=answer_s)
    preparing = asyncio.create_task(session.prepare(make(**given)))
    await asyncio.sleep(0)
    revision = link.sent[-1].revision
    link.receive(Made(revision))
    await preparing
    link.receive(Ready(revision, {**FACTS, "begun": taken(revision, 0, looks=[0], evaluations=[0])}))
    return session, link


def asked(link):
    """Steps that were asked for."""
    return [message.steps for message in link.sent if isinstance(message, Advance)]
