"""What the training process of a session holds: the subject, the race under way, and answers about it as plain values."""

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ravine.fleet import Fleet
from ravine.lab.course import Course, Stretch, is_kept, plan_of
from ravine.lab.curves import Subject, make_subject
from ravine.lab.race_worker import Advance, Make, Taken
from ravine.lab.recording import record_race
from ravine.lab.settings import PRESET
from ravine.tasks.splits import rows


class Workshop:
    """One race at a time."""

    def __init__(self) -> None:
        self._key = ""
        self._subject: Subject | None = None
        self._fleet: Fleet | None = None
        self._course: Course | None = None
        self._stretches: list[Stretch] = []

    def warm_up(self) -> None:
        """Prepare what the page begins with, and take a step: much of torch is imported only then, and the first race need not wait."""
        message = Make(0, dict(PRESET), dict.fromkeys(PRESET["optimizers"], 1e-3))
        self.prepare(message, self.subject(message))
        self.advance(Advance(0, 1))
        self._course = None

    def subject(self, message: Make) -> Subject:
        """The subject of a setting; the one that is there, where nothing of it changed."""
        setting = message.setting
        parts = [setting[name] for name in ("task", "task_options", "width", "batch_size")]
        key = json.dumps([*parts, message.own, message.points])
        if self._subject is None or key != self._key:
            self._subject, self._fleet = make_subject(setting, message.own, message.points), None
            self._key = key
        # What does not go together is told before the race that is there is given up.
        plan_of(self._subject, message.rates or dict.fromkeys(setting["optimizers"], 1.0), setting)
        return self._subject

    def prepare(self, message: Make, subject: Subject) -> dict[str, Any]:
        """Build the lanes, and tell what the page needs before the first step."""
        seed = message.setting["seed"]
        fleet = self._fleet if self._fleet is not None and self._fleet.race_seed == seed else Fleet(subject.task, race_seed=seed)
        course = Course(subject, message.rates, message.setting, fleet)
        marks, begun = course.weights_marks(), course.begin()
        self._fleet, self._course, self._stretches = course.fleet, course, [begun]
        return {
            "lanes": [_lane_info(lane) for lane in course.entries],
            "task": subject.task.description or subject.task.name,
            "metric": "loss",
            "mode": course.mode,
            "why": course.fleet.support.reason,
            "rows": subject.task.rows_per_step,
            "train_rows": rows(subject.task.data.train),
            "parameters": sum(p.numel() for p in fleet.model(0).parameters() if p.requires_grad),
            "same_weights": len(set(marks)) == 1,
            "weights": marks[0],
            "same_batches": course.reads_same_batches(),
            "batches": course.batches_mark(),
            **_drawn(subject),
            "begun": _taken(message.revision, begun, [], course.steps),
        }

    def advance(self, message: Advance) -> Taken:
        """Take steps."""
        course = self._under_way()
        stretch = course.advance(message.steps, looks=message.looks)
        self._stretches.append(stretch)
        ended = [(end.position, end.step, end.reason) for end in stretch.diverged]
        return _taken(message.revision, stretch, ended, course.steps)

    def drop(self) -> None:
        """Forget the race, whose state nobody knows."""
        self._course, self._fleet = None, None

    def save(self, file: str, seconds: float) -> str:
        """Keep the race in a record; the file's name.

        Args:
            file: a path that does not exist.
            seconds: that its steps took.
        """
        return record_race(self._under_way(), self._stretches, file, seconds)

    def _under_way(self) -> Course:
        assert self._course is not None, "the server asks of races that are prepared"
        return self._course


def _lane_info(entry: Any) -> dict[str, Any]:
    lane = entry.lane
    hypers = {symbol: value for symbol, value in lane.hypers.items() if symbol != "lr"}
    return {"lane": lane.number, "optimizer": entry.row.optimizer, "lr": lane.hypers["lr"], "hypers": hypers}


def _taken(revision: int, stretch: Stretch, ended: list[tuple[int, int, str]], steps: int) -> Taken:
    evaluations = {step: found["validation"] for step, found in stretch.evaluations.items()}
    looks = [(look.step, look.predictions, look.inside, is_kept(look.step, steps)) for look in stretch.looks]
    return Taken(revision, stretch.last, stretch.losses, evaluations, looks, ended, stretch.alive.tolist(), stretch.end)


def _drawn(subject: Subject) -> dict[str, Any]:
    """What is drawn of a curve."""
    if subject.grid is None:
        nothing = np.empty(0, dtype=np.float32)
        return {"grid": nothing, "target": nothing, "points": None}
    x, y = subject.task.data.train
    return {
        "grid": _plain(subject.x.shown(subject.grid)),
        "target": np.empty(0, dtype=np.float32) if subject.curve is None else _plain(subject.y.shown(subject.curve)),
        "points": (_plain(subject.x.shown(x)), _plain(subject.y.shown(y))),
    }


def _plain(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(torch.float32).reshape(-1).numpy()
