"""The model alone: copies among its units, random numbers in its evaluation, and what its tables are asked for."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import ravine
from doctor_tasks import blobs, healthy, network
from ravine.doctor import checks_model as checks
from ravine.doctor.subject import Settings, Subject


def said(task):
    return [(one.severity, one.title, one.where) for one in checks.model(Subject(task, Settings()))]


def test_a_healthy_model_passes():
    assert said(healthy()) == []


def filled(hidden, head):
    def make():
        made = network()
        for layer, value in ((made[0], hidden), (made[2], head)):
            if value is not None:
                nn.init.constant_(layer.weight, value)
                nn.init.zeros_(layer.bias)
        return made

    return make


@pytest.mark.parametrize(
    ("hidden", "head", "expected"),
    [(0.1, 0.1, [("error", checks.SYMMETRIC, "0.weight")]), (None, 0.0, []), (None, 0.1, []), (0.1, None, [])],
    ids=["all alike", "a head of zeros", "a head of one number", "told apart by the head"],
)
def test_units_that_start_as_copies(hidden, head, expected):
    assert said(healthy(filled(hidden, head))) == expected


class Dropping(nn.Module):
    def __init__(self, is_always, parts=1):
        super().__init__()
        self.net, self.is_always, self.parts = network(), is_always, parts

    def forward(self, x):
        dropped = self.net(functional.dropout(x, 0.5, training=self.is_always or self.training))
        return dropped if self.parts == 1 else (dropped,) * self.parts


def first(output, target):
    return functional.cross_entropy(output[0], target)


def test_an_evaluation_that_draws():
    assert said(healthy(lambda: Dropping(False))) == []
    assert said(healthy(lambda: Dropping(True))) == [("warning", checks.RANDOM_EVALUATION, "the model, in eval()")]


def test_what_may_draw_by_design_is_told_and_no_fault():
    told = [("information", checks.RANDOM_EVALUATION, "the model, in eval()")]
    assert said(healthy(lambda: Dropping(True, parts=2), first, metrics={})) == told

    def step(model, batch):
        return functional.cross_entropy(model(batch[0]), batch[1])

    assert said(ravine.Task("own", lambda: Dropping(True), blobs(), blobs(64, seed=1), step=step)) == told


class Bag(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(40, 8), nn.Linear(8, 4)

    def forward(self, ids):
        return self.head(self.table(ids).mean(1))


def words(kind):
    stream = torch.Generator().manual_seed(0)
    ids = torch.randint(2, 40, (256, 12), generator=stream)
    places = torch.arange(12)
    if kind == "unknown":
        return ids.where(torch.rand(ids.shape, generator=stream) < 0.1, 1)
    if kind == "padded":
        return ids.where(places < torch.randint(1, 3, (256, 1), generator=stream), 0)
    if kind == "padded before":
        return ids.where(places > torch.randint(9, 11, (256, 1), generator=stream), 0)
    return ids % 2 + 2 * (torch.rand(ids.shape, generator=stream) < 0.01) if kind == "few ids" else ids


@pytest.mark.parametrize(
    ("kind", "is_crowded"), [("unknown", True), ("usual", False), ("padded", False), ("padded before", False), ("few ids", False)]
)
def test_one_id_in_nearly_all_places(kind, is_crowded):
    ids = words(kind)
    expected = [("warning", checks.CROWDED, "table")] if is_crowded else []
    labels = torch.arange(256) % 4
    assert said(healthy(Bag, train=(ids, labels), validation=(ids[:64], labels[:64]))) == expected
