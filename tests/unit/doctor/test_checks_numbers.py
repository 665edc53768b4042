"""Precision, curvature and gradient noise."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import ravine
from doctor_tasks import healthy, network
from ravine.doctor import checks_numbers as checks
from ravine.doctor.probe import probe
from ravine.doctor.short_run import short_run
from ravine.doctor.subject import Settings, Subject
from ravine.tasks import Objective


@pytest.fixture(scope="module")
def subject():
    return Subject(healthy(), Settings(steps=30))


@pytest.fixture(scope="module")
def run(subject):
    return short_run(subject, 1e-2)


def test_a_healthy_model_loses_no_numbers(subject, run):
    outcome = checks.precision(subject, run.before, run.after)
    assert (outcome.rung.verdict, outcome.findings) == ("pass", ())
    assert outcome.rung.measured.startswith("computes in float32")


class Half(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.float16):
            return self.net(x).float()


@pytest.mark.parametrize(("weight", "severity"), [(1.0, []), (1e-6, ["error"])])
def test_gradients_that_are_already_zero_in_float16(weight, severity):
    def loss(output, target):
        return weight * functional.cross_entropy(output, target)

    half = Subject(healthy(Half, loss), Settings(steps=30))
    reading = probe(half.objective(), half.batch)
    found = checks.precision(half, reading, reading).findings
    assert [(one.severity, one.title) for one in found] == [(each, "gradients vanish in float16") for each in severity]


class Logs(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = network()

    def forward(self, x):
        return self.net(x) + 0.0 * torch.log(torch.relu(x[:, :1])).clamp(min=-1.0).detach()


def test_the_log_of_zero_is_named_even_where_it_is_hidden_later():
    subject = Subject(healthy(Logs), Settings())
    reading = probe(subject.objective(), subject.batch)
    assert reading.broken == ""
    (finding,) = checks.precision(subject, reading, reading).findings
    assert (finding.severity, finding.where) == ("warning", "the model (Logs)")
    assert finding.measured.startswith("log gave -inf")


class Bowl(nn.Module):
    """0.5 (3 a^2 + 7 b^2 + 0.5 c^2)."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.0, 1.0, 1.0]))

    def forward(self, x):
        return 0.5 * (torch.tensor([3.0, 7.0, 0.5]) * self.theta.square()).sum() + 0.0 * x.sum()


ROWS = (torch.zeros(8, 1),)


def bowl():
    return ravine.Task("bowl", Bowl, ROWS, ROWS, step=lambda model, batch: model(batch[0]), batch_size=4)


def test_the_largest_eigenvalue_of_a_known_matrix():
    objective = Objective(Bowl(), bowl())
    assert checks.largest_eigenvalue(objective, ROWS) == pytest.approx(7.0, rel=1e-3)
    scales = [torch.tensor([3.0, 1.0, 1.0])]
    assert checks.largest_eigenvalue(objective, ROWS, scales=scales) == pytest.approx(27.0, rel=1e-3)
    assert torch.equal(objective.model.theta, torch.ones(3))


class Attends(nn.Module):
    def __init__(self, *, fused):
        super().__init__()
        self.fused, self.qkv = fused, nn.Linear(4, 12)

    def forward(self, x):
        query, key, value = self.qkv(x).unflatten(-1, (3, 1, 4)).movedim(-3, 0).transpose(-2, -3)
        if self.fused:
            return functional.scaled_dot_product_attention(query, key, value)
        return (query @ key.mT / 2.0).softmax(-1) @ value


def test_fused_attention_has_the_curvature_of_attention_written_out():
    rows = (torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(1)),)

    def value(fused):
        torch.manual_seed(0)
        task = ravine.Task("attends", lambda: Attends(fused=fused), rows, rows, step=lambda model, batch: model(batch[0]).square().mean())
        return checks.largest_eigenvalue(Objective(Attends(fused=fused), task), rows)

    assert value(fused=True) == pytest.approx(value(fused=False), rel=1e-3)


@pytest.mark.parametrize(("lr", "severities"), [(0.2, []), (0.4, ["warning"])])
def test_descent_is_stable_up_to_two_over_the_eigenvalue(lr, severities, run):
    subject = Subject(bowl(), Settings(optimizer="sgd", lr=lr))
    outcome = checks.curvature(subject, run, lr)
    assert [finding.severity for finding in outcome.findings] == severities


def test_momentum_widens_the_limit(run):
    subject = Subject(bowl(), Settings(optimizer="momentum", lr=0.4))
    assert checks.curvature(subject, run, 0.4).findings == ()


def test_adams_threshold_is_told(subject, run):
    outcome = checks.curvature(subject, run, 1e-2)
    assert outcome.findings == ()
    assert "38/lr is 3.8e+03" in outcome.rung.measured


def test_what_cannot_be_differentiated_twice_is_unknown(run):
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, gradient):
            return gradient

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 4)

        def forward(self, x):
            return Once.apply(self.layer(x))

    outcome = checks.curvature(Subject(healthy(Net), Settings(optimizer="sgd", lr=0.1)), run, 0.1)
    assert outcome.rung.verdict == "unknown"
    assert "cannot be differentiated twice" in outcome.rung.measured


def test_the_noise_scale_is_a_remark_and_of_a_whole_batch_there_is_none(subject, run):
    (finding,) = checks.batch_size(subject, run).findings
    assert finding.severity == "information"
    assert "gradient noise scale" in finding.measured
    whole = Subject(healthy(batch_size=None), Settings())
    assert checks.batch_size(whole, run).findings == ()
    assert functional.relu(torch.tensor(0.0)) == 0
