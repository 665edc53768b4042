"""The rung `loading`: each fault by itself, and none on a healthy twin."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset

import ravine
from doctor_tasks import blobs, healthy, network
from ravine.doctor.checks_setup import Blocked, loading, runnable
from ravine.doctor.subject import Settings, Subject


def found(task):
    usable, before = runnable(task)
    return loading(Subject(usable, Settings()), before)


def titles(task):
    return [(finding.severity, finding.title) for finding in found(task).findings]


def test_a_healthy_task_passes_without_a_finding():
    outcome = found(healthy())
    assert (outcome.rung.verdict, outcome.findings) == ("pass", ())
    assert outcome.rung.measured == "256 train, 64 validation rows; 180 parameters; batches of 32"


class Spare(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        self.net = network()
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.net(x)


class Listed(Spare):
    def __init__(self):
        super().__init__()
        self.more = [nn.Linear(4, 4)]

    def forward(self, x):
        return self.more[0](self.net(x))


class Dozing(Spare):
    def forward(self, x):
        self.eval()
        return self.net(x)


def twice():
    layer = nn.Linear(6, 6)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(6, 4))


def frozen():
    model = network()
    model[0].requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("model", "severity", "title"),
    [
        (lambda: Spare(unused=nn.Linear(2, 2)), "error", "parameters get no gradient"),
        (Listed, "error", "tensors are not registered with the model"),
        (twice, "error", "one parameter stands at several places"),
        (frozen, "warning", "parameters stay at their random values"),
        (Dozing, "warning", "modules are in evaluation mode while training"),
    ],
)
def test_a_model_that_training_does_not_reach(model, severity, title):
    assert (severity, title) in titles(healthy(model))


def test_inputs_that_are_constant_or_not_scaled():
    x, y = blobs()
    assert titles(healthy(train=(torch.ones_like(x), y))) == [("error", "inputs are the same in every row")]
    other, kinds = blobs(64, seed=1)
    assert titles(healthy(train=(x * 1e4, y), validation=(other * 1e4, kinds))) == [("warning", "inputs are not scaled")]


def test_the_place_of_what_is_not_scaled_is_that_in_the_batch():
    x = blobs()[0]
    parts = (torch.arange(len(x)), 1e4 * x)

    def step(model, batch):
        return functional.mse_loss(model(batch[1] / 1e4), batch[1][:, :4] / 1e4)

    findings = found(ravine.Task("own", network, parts, parts, step=step)).findings
    assert [one.where for one in findings if one.title == "inputs are not scaled"] == ["part [1] of the batch, with rows of (6,)"]


def test_labels_that_begin_at_one():
    train, validation = [(x, y + 1) for x, y in (blobs(), blobs(64, seed=1))]
    assert titles(healthy(lambda: network(5), train=train, validation=validation)) == [("warning", "labels begin at 1")]


def blocked(task):
    with pytest.raises(Blocked) as caught:
        runnable(task)
    return caught.value.finding


def raising(x):
    raise KeyError("weights.pt")


class Raises(Spare):
    def forward(self, x):
        return raising(x)


def test_a_task_that_raises_says_where_and_why():
    finding = blocked(healthy(Raises))
    assert (finding.severity, finding.rung, finding.title) == ("error", "loading", "the task does not run")
    assert "KeyError" in finding.measured
    assert 'raise KeyError("weights.pt")' in finding.where


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(6), 0


class Unsure(torch.utils.data.Dataset):
    def __len__(self):
        raise NotImplementedError("nobody knows")

    def __getitem__(self, index):
        return torch.zeros(6), 0


def nan_in_data():
    x, y = blobs()
    x[17, 3] = float("nan")
    return x, y


@pytest.mark.parametrize(
    ("changes", "rung", "text"),
    [
        ({"train": DataLoader(Endless(), batch_size=4)}, "loading", "Read a stream into tensors first"),
        ({"train": Unsure()}, "loading", "nobody knows"),
        ({"train": nan_in_data()}, "loading", r"train[0][17, 3] is nan"),
        ({"model": nn.ReLU}, "loading", "has no parameters that require gradients"),
        (
            {"loss": lambda output, target: functional.cross_entropy(output, target).detach()},
            "loading",
            "does not depend on the parameters",
        ),
        (
            {"loss": lambda output, target: functional.cross_entropy(output, target).log() * float("inf")},
            "initial loss",
            "before the first step",
        ),
    ],
)
def test_what_cannot_be_run_is_one_finding(changes, rung, text):
    finding = blocked(healthy(**changes))
    assert (finding.severity, finding.rung) == ("error", rung)
    assert text in finding.measured


def test_a_model_that_draws_from_a_stream_of_its_own_is_one_finding():
    stream = torch.Generator().manual_seed(0)

    class Own(Spare):
        def forward(self, x):
            return self.net(x + torch.randn(x.shape, generator=stream))

    assert "gave another number when run again" in blocked(healthy(Own)).measured


def test_a_metric_that_raises_leaves_the_rest_to_be_examined():
    def metric(output, target):
        raise ZeroDivisionError("no rows")

    outcome = found(healthy(metrics={"own": metric}))
    assert [finding.title for finding in outcome.findings] == ["a metric cannot be used"]
    assert "the metric 'own' raised ZeroDivisionError: no rows" in outcome.findings[0].measured


def test_a_step_of_its_own_is_examined_too():
    def step(model, batch):
        return functional.mse_loss(model(batch[0]), batch[0])

    splits = [(blobs(rows, seed=rows)[0],) for rows in (256, 64)]
    assert found(ravine.Task("own", lambda: nn.Linear(6, 6), *splits, step=step)).findings == ()


class Editing(nn.Module):
    def __init__(self, is_sick):
        super().__init__()
        self.net, self.is_sick = network(), is_sick

    def forward(self, x):
        if self.is_sick:
            self.net[0].weight.data *= 0.9
        return self.net(x)


@pytest.mark.parametrize(("is_sick", "expected"), [(False, []), (True, [("the forward changes the weights", "net.0.weight")])])
def test_a_forward_that_changes_the_weights(is_sick, expected):
    assert [(one.title, one.where) for one in found(healthy(lambda: Editing(is_sick))).findings] == expected


class Looked(nn.Module):
    def __init__(self, max_norm):
        super().__init__()
        self.table = nn.Embedding(10, 4, max_norm=max_norm)

    def forward(self, tokens):
        return self.table(tokens)


def test_an_embedding_renews_its_rows_on_purpose():
    splits = [(torch.arange(rows) % 10, torch.arange(rows) % 4) for rows in (40, 20)]
    assert found(healthy(lambda: Looked(0.5), train=splits[0], validation=splits[1])).findings == ()


@pytest.mark.parametrize(("share", "expected"), [(0.5, []), (0.95, [("dropout drops nearly everything", "1")])])
def test_dropout_that_drops_nearly_everything(share, expected):
    outcome = found(healthy(lambda: nn.Sequential(nn.Linear(6, 16), nn.Dropout(share), nn.Linear(16, 4))))
    assert [(one.title, one.where) for one in outcome.findings] == expected


class Convolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Linear(16, 4)

    def forward(self, x):
        return self.last(self.norm(self.first(x[:, None])).flatten(1))


@pytest.mark.parametrize(("rows", "expected"), [(2, []), (1, [("batches of one under BatchNorm", "norm")])])
def test_batches_of_one_under_batch_normalisation(rows, expected):
    assert [(one.title, one.where) for one in found(healthy(Convolved, batch_size=rows)).findings] == expected
