"""The rows themselves: each sick in one way, and the healthy twin."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import ravine
from doctor_tasks import blobs, healthy, network
from ravine.doctor import checks_data as checks
from ravine.doctor.subject import Settings, Subject


def said(task):
    return [(finding.severity, finding.title, finding.where) for finding in checks.data(Subject(task, Settings()))]


def joined(first, second):
    return tuple(torch.cat(parts) for parts in zip(first, second, strict=True))


def part(rows, begin, end):
    return tuple(leaf[begin:end] for leaf in rows)


@pytest.mark.parametrize(("shared", "expected"), [(0, []), (3, []), (4, [("warning", "rows of the validation split stand in train")])])
def test_rows_of_validation_in_train(shared, expected):
    validation = blobs(64, seed=1)
    train = joined(blobs(192), part(validation, 10, 10 + shared))
    found = list(checks.data(Subject(healthy(train=train, validation=validation), Settings())))
    assert [(one.severity, one.title) for one in found] == expected
    assert [one.measured for one in found] == ["4 of 64 rows (6%), such as row 10"][: len(expected)]


def test_rows_of_test_in_train():
    task = healthy(test=part(blobs(), 0, 64))
    assert said(task) == [("warning", "rows of the test split stand in train", "the test split")]


def test_a_split_that_is_train_is_one_of_optimisation():
    assert said(healthy(validation=blobs())) == [("information", "rows of the validation split stand in train", "the validation split")]


def test_few_possible_inputs_meet_by_chance():
    inputs = torch.eye(6)
    splits = [(inputs[torch.arange(rows) % 6], torch.arange(rows) % 6 % 4) for rows in (240, 60)]
    assert said(healthy(train=splits[0], validation=splits[1])) == []


def copied_before_the_split(inputs, targets):
    """The rows three times over, mixed and split."""
    order = torch.randperm(3 * len(inputs), generator=torch.Generator().manual_seed(1)) % len(inputs)
    cut = len(order) * 3 // 4
    return said(healthy(train=(inputs[order[:cut]], targets[order[:cut]]), validation=(inputs[order[cut:]], targets[order[cut:]])))


def test_rows_that_were_copied_before_the_split():
    leak = [("warning", "rows of the validation split stand in train", "the validation split")]
    assert copied_before_the_split(*blobs()) == leak
    bits = (torch.arange(256)[:, None] >> torch.arange(8)) % 2
    assert copied_before_the_split(bits.float()[:, :6], bits.sum(1) % 2) == []
    assert copied_before_the_split(bits.float(), bits.sum(1) % 2) == []


def test_an_input_that_is_observed_twice_is_no_copy():
    inputs, targets = blobs(128)
    order = torch.arange(384) % 128
    other = (targets[order] + torch.arange(384) // 128) % 4
    assert said(healthy(train=(inputs[order], other), validation=(inputs[:64], targets[:64]))) == []


def test_rows_of_a_step_of_its_own_are_compared_whole():
    def step(model, batch):
        return functional.cross_entropy(model(batch[0]), batch[1])

    def task(validation):
        return ravine.Task("step", network, blobs(), validation, step=step)

    assert said(task(blobs(64, seed=1))) == []
    assert [title for _, title, _ in said(task(part(blobs(), 0, 64)))] == ["rows of the validation split stand in train"]


def crowded(share, *, metrics, is_binary=False):
    inputs, _ = blobs(400)
    labels = (torch.arange(400) >= share * 400).long()
    target = labels[:, None].float() if is_binary else labels
    loss = functional.binary_cross_entropy_with_logits if is_binary else functional.cross_entropy
    split = [(inputs[0::2], target[0::2]), (inputs[1::2], target[1::2])]
    return healthy(lambda: network(1 if is_binary else 2), loss, *split, metrics=metrics)


def right(output, target):
    return ((output > 0) == (target > 0.5)).float().mean()


@pytest.mark.parametrize(
    ("share", "metrics", "is_binary", "expected"),
    [
        (0.85, {"accuracy": ravine.metrics.accuracy}, False, []),
        (0.95, {"accuracy": ravine.metrics.accuracy}, False, ["warning"]),
        (0.95, {}, False, ["information"]),
        (0.85, {"acc": right}, True, []),
        (0.95, {"acc": right}, True, ["warning"]),
    ],
)
def test_one_class_that_holds_nearly_all_rows(share, metrics, is_binary, expected):
    task = crowded(share, metrics=metrics, is_binary=is_binary)
    assert said(task) == [(severity, "one class holds nearly all rows", "the targets") for severity in expected]


class Tagger(nn.Module):
    def __init__(self, is_last):
        super().__init__()
        self.table, self.is_last = nn.Embedding(5, 5), is_last

    def forward(self, tokens):
        scores = self.table(tokens)
        return scores if self.is_last else scores.movedim(2, 1)


def ragged(rows, value=0):
    tokens = 1 + torch.randint(0, 4, (rows, 8), generator=torch.Generator().manual_seed(rows))
    lengths = 2 + torch.arange(rows)[:, None] % 7
    return tokens, torch.where(torch.arange(8) < lengths, tokens, value)


def tagging(*, is_last, ignored, value=0):
    def loss(output, target):
        return functional.cross_entropy(output.movedim(2, 1) if is_last else output, target, ignore_index=ignored)

    return healthy(lambda: Tagger(is_last), loss, ragged(64, value), ragged(32, value), metrics={})


@pytest.mark.parametrize("is_last", [False, True])
def test_a_loss_that_counts_padding(is_last):
    sick = [one for one in checks.data(Subject(tagging(is_last=is_last, ignored=-100), Settings())) if "padding" in one.title]
    assert [one.severity for one in sick] == ["warning"]
    assert "38% of the targets are 0" in sick[0].measured
    assert "ignore_index=0" in sick[0].remedy
    assert not [one for one in said(tagging(is_last=is_last, ignored=0)) if "padding" in one[1]]


def test_rows_that_end_alike_by_chance_are_no_padding():
    tokens = torch.randint(0, 3, (64, 8), generator=torch.Generator().manual_seed(1))
    task = healthy(lambda: Tagger(is_last=False), functional.cross_entropy, (tokens, tokens), (tokens[:32], tokens[:32]), metrics={})
    assert not [one for one in said(task) if "padding" in one[1]]


@pytest.mark.parametrize(
    ("shift", "scale", "expected"), [(0.0, 1.0, []), (0.0, 500.0, ["warning"]), (20.0, 1.0, ["warning"]), (3.0, 0.9, []), (1.0, 0.05, [])]
)
def test_targets_of_a_regression_that_are_not_scaled(shift, scale, expected):
    x = blobs()[0]
    rows = (x, shift + scale * torch.randn(len(x), 1, generator=torch.Generator().manual_seed(0)))
    task = healthy(lambda: network(1), functional.mse_loss, rows, (x[:64] + 0.01, rows[1][:64]), metrics={})
    assert [one.severity for one in checks.data(Subject(task, Settings())) if one.title == checks.TARGETS] == expected
