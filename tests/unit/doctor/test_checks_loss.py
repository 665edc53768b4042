"""Rungs that look at the loss: each sick in one way, and the healthy twin."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import ravine
from doctor_tasks import blobs, healthy, network
from ravine.doctor import checks_loss as checks
from ravine.doctor.subject import Settings, Subject


def subject(task, **settings):
    return Subject(task, Settings(**{"steps": 60, "seeds": 2} | settings))


def said(outcome):
    return [(finding.severity, finding.title) for finding in outcome.findings]


def scaled(factor, bias=0.0):
    def make():
        model = network()
        with torch.no_grad():
            model[2].weight.mul_(factor)
            model[2].bias.add_(torch.tensor([bias, 0.0, 0.0, 0.0]))
        return model

    return make


def small():
    """Starts at ln 4 within a few percent."""
    return scaled(0.1)()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (small, []),
        (scaled(0.1, bias=1.3), [("warning", "the loss begins too high")]),
        (scaled(100.0), [("error", "the loss begins too high")]),
    ],
)
def test_the_loss_of_class_scores_begins_at_ln_k(model, expected):
    outcome = checks.initial_loss(subject(healthy(model)))
    assert said(outcome) == expected
    assert "from ln 4 (1.386)" in outcome.rung.measured


@pytest.mark.parametrize(
    ("losses", "expected"),
    [([1.12, 1.4, 1.3], ["warning"]), ([1.02, 1.4, 1.3], []), ([0.7, 1.09, 1.4], []), ([1.6, 1.7, 1.8], ["error"])],
)
def test_a_single_seed_may_begin_far_off_by_luck(losses, expected):
    assert [found.severity for found in checks._against(losses, checks.Expected({"ln e": 1.0}))[1]] == expected


def adding(reduction):
    return lambda output, target: functional.cross_entropy(output, target, reduction=reduction)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", []), ("sum", [("warning", "the loss adds up over rows")])])
def test_a_loss_that_adds_up_over_rows(reduction, expected):
    assert said(checks.initial_loss(subject(healthy(small, adding(reduction))))) == expected


def squares(output, target):
    return (output - target).square().mean()


def squares_in_a_row(output, target):
    return squares(output.flatten(), target)


def strict_squares(output, target):
    assert output.ndim == 2
    return squares(output, target)


@pytest.mark.parametrize(
    ("loss", "columns", "expected"),
    [(squares, False, ["error"]), (squares, True, []), (squares_in_a_row, False, []), (strict_squares, False, [])],
)
def test_a_loss_of_every_output_and_every_target(loss, columns, expected):
    x, _ = blobs()
    data = (x, x[:, :1] if columns else x[:, 0])
    outcome = checks.initial_loss(subject(healthy(lambda: nn.Linear(6, 1), loss, data, data, metrics={})))
    assert said(outcome) == [(severity, "the loss compares every output with every target") for severity in expected]


def wide(factor):
    def make():
        model = nn.Linear(6, 1)
        with torch.no_grad():
            model.weight.mul_(factor)
        return model

    return make


@pytest.mark.parametrize(("factor", "expected"), [(1.0, []), (50.0, [("error", "the loss begins too high")])])
def test_a_regression_begins_at_the_second_moment_of_its_target(factor, expected):
    x, _ = blobs()
    task = healthy(wide(factor), functional.mse_loss, (x, x[:, :1]), (x, x[:, :1]), metrics={})
    assert said(checks.initial_loss(subject(task))) == expected


def with_end(end):
    return lambda: nn.Sequential(*small(), end)


def binary(end):
    x, y = blobs()
    data = (x, (y > 1).float()[:, None])
    return healthy(lambda: nn.Sequential(wide(0.1)(), *end), functional.binary_cross_entropy_with_logits, data, data, metrics={})


@pytest.mark.parametrize(
    "task",
    [healthy(with_end(nn.Softmax(dim=1))), healthy(small, functional.nll_loss), binary([nn.Sigmoid()])],
    ids=["softmax before cross-entropy", "scores into nll", "sigmoid before logits"],
)
def test_an_output_that_the_loss_takes_for_something_else(task):
    assert ("error", "the loss takes the output for something else") in said(checks.initial_loss(subject(task)))


@pytest.mark.parametrize("task", [healthy(with_end(nn.LogSoftmax(dim=1)), functional.nll_loss), binary([])], ids=["nll", "logits"])
def test_an_output_that_the_loss_takes_for_what_it_is(task):
    assert said(checks.initial_loss(subject(task))) == []


def test_the_start_of_a_loss_of_ones_own_is_unknown():
    def own(output, target):
        return functional.cross_entropy(output, target)

    assert checks.initial_loss(subject(healthy(loss=own))).rung.verdict == "unknown"


def shuffled(rows, seed):
    x, y = blobs(rows, seed=seed)
    return x, y[torch.randperm(rows, generator=torch.Generator().manual_seed(seed))]


@pytest.mark.slow  # four fleets of lanes each
def test_labels_that_have_nothing_to_do_with_their_inputs():
    good = checks.input_independent(subject(healthy()))
    assert (good.rung.verdict, said(good)) == ("pass", [])
    sick = checks.input_independent(subject(healthy(train=shuffled(256, 0), validation=shuffled(64, 1))))
    assert said(sick) == [("error", "the inputs say nothing of the validation targets")]


def test_a_loss_that_refuses_other_numbers_of_rows_adds_up_to_nothing():
    def picky(output, target):
        assert len(output) in (32, 256)
        return functional.cross_entropy(output, target, reduction="sum")

    assert said(checks.initial_loss(subject(healthy(small, picky)))) == []


@pytest.mark.parametrize(
    ("with_inputs", "rows", "verdict"), [(1.38, 1000, "fail"), (1.36, 1000, "pass"), (1.36, 64, "unknown"), (1.2, 64, "pass")]
)
def test_what_few_rows_of_validation_may_gain_by_chance(with_inputs, rows, verdict, monkeypatch):
    reached = iter([{"validation": with_inputs}, {"validation": 1.386}])
    monkeypatch.setattr(checks.checks_control, "held_out", lambda subject: None)
    monkeypatch.setattr(checks, "_reached", lambda *given: next(reached))
    assert checks.input_independent(subject(healthy(validation=blobs(rows, seed=1)))).rung.verdict == verdict


def test_a_step_on_batches_of_one_part_has_no_targets_to_be_compared():
    rows = (blobs()[0],)
    task = ravine.Task("own", lambda: nn.Linear(6, 6), rows, rows, step=lambda model, batch: model(batch[0]).square().mean())
    assert checks.initial_loss(subject(task)).rung.verdict == "unknown"


class Mixing(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.net, self.dim = network(), dim

    def forward(self, x):
        return self.net(x).log_softmax(self.dim)


def test_rows_that_see_each_other():
    sick = list(checks._across_rows(subject(healthy(lambda: Mixing(0)))))
    assert [(finding.severity, finding.title) for finding in sick] == [("error", "rows of a batch see each other")]
    assert list(checks._across_rows(subject(healthy(lambda: Mixing(1))))) == []


def test_rows_may_see_each_other_while_batch_normalisation_trains():
    assert list(checks._across_rows(subject(healthy(lambda: nn.Sequential(nn.BatchNorm1d(6), *network()))))) == []


def test_inputs_of_a_step_cannot_be_told_from_targets():
    rows = (blobs()[0],)
    task = ravine.Task("own", lambda: nn.Linear(6, 6), rows, rows, step=lambda model, batch: model(batch[0]).square().mean())
    assert checks.input_independent(subject(task)).rung.verdict == "unknown"


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.bias = network(), nn.Parameter(torch.zeros(4))

    def forward(self, x):
        return self.net(x).detach() + self.bias


@pytest.mark.slow  # native code of two models
def test_one_batch_is_learnt_by_heart_and_not_through_a_detached_output(monkeypatch):
    monkeypatch.setattr(checks, "OVERFIT_STEPS", 100)
    good = checks.overfit(subject(healthy()))
    assert (good.rung.verdict, said(good)) == ("pass", [])
    assert "16 rows" in good.rung.measured
    assert "accuracy 100%" in good.rung.measured
    sick = checks.overfit(subject(healthy(Detached)))
    assert said(sick) == [("error", "not even one batch can be learnt")]
    assert sick.stops == "not even one batch can be learnt"


def test_regularisation_is_off():
    model = nn.Sequential(nn.Dropout(0.5), nn.MultiheadAttention(4, 2, dropout=0.3))
    model.drop_prob = 0.2
    off = checks._unregularised(model)
    assert (off[0].p, off[1].dropout, off.drop_prob) == (0.0, 0.0, 0.0)
