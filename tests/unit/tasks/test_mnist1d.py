"""`mnist-1d`: rows held to a transcription of the paper's steps one example at a time, and to its published accuracies."""

import re

import numpy as np
import pytest
import torch
from scipy.interpolate import interp1d
from scipy.ndimage import gaussian_filter

from ravine.base.errors import InputError
from ravine.tasks import create, load
from ravine.tasks.mnist1d import mnist1d_rows, mnist1d_shapes, mnist1d_splits, mnist1d_stretched


def test_shapes_begin_at_zero_and_differ():
    shapes = mnist1d_shapes()
    assert shapes.shape == (10, 12)
    assert np.all(shapes[:, 0] == 0)
    assert shapes.std(axis=1) == pytest.approx(1 / 6)
    assert len(np.unique(shapes.round(6), axis=0)) == 10


def test_rows_are_stretched_as_scipy_interpolates():
    stream = np.random.RandomState(0)
    rows, lengths = stream.normal(size=(5, 20)), np.array([2, 7, 11, 19, 20])
    for row, length, found in zip(rows, lengths, mnist1d_stretched(rows, lengths, 33), strict=True):
        expected = interp1d(np.linspace(0, 1, length), row[:length])(np.linspace(0, 1, 33))
        assert found == pytest.approx(expected, abs=1e-12)


def test_rows_are_what_the_steps_make_of_shapes_one_by_one():
    """The paper's steps for one example after the other, on the numbers that the generator draws for all at once."""
    examples = 12
    stream = np.random.RandomState(7)
    labels = stream.permutation(np.arange(examples) % 10)
    zeros = stream.randint(36, 61, examples)
    scales = stream.uniform(0.8, 1.2, (examples, 1))
    turns = stream.randint(0, 48, (examples, 1))
    smooth, rough = 0.25 * stream.normal(size=(examples, 72)), 0.02 * stream.normal(size=(examples, 72))
    slopes = stream.uniform(-0.5, 0.5, (examples, 1))
    rows, found = mnist1d_rows(examples, 7)
    assert found.tolist() == labels.tolist()
    for index, row in enumerate(rows):
        x = np.concatenate([mnist1d_shapes()[labels[index]] + 1e-8, np.zeros(zeros[index])])
        x = interp1d(np.linspace(0, 1, len(x)), x)(np.linspace(0, 1, 72)) * scales[index]
        x = np.roll(x, turns[index, 0])
        x = np.where(x != 0, x, gaussian_filter(smooth[index], 2)) + rough[index]
        x -= 0.75 * slopes[index] * np.linspace(-0.5, 0.5, 72)
        assert row == pytest.approx(interp1d(np.linspace(0, 1, 72), x)(np.linspace(0, 1, 40)), abs=1e-9)


def test_splits_are_balanced_scaled_and_their_own():
    train, validation, test = mnist1d_splits(500)
    assert [len(x) for x, _ in (train, validation, test)] == [500, 1000, 1000]
    assert torch.bincount(train[1]).tolist() == [50] * 10
    assert train[0].mean().item() == pytest.approx(0, abs=1e-6)
    assert train[0].std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert not torch.equal(validation[0], test[0])
    assert torch.equal(mnist1d_splits(500)[0][0], train[0])


@pytest.mark.parametrize("text", ["mnist-1d", "mnist-1d:cnn", "mnist-1d:examples=10"])
def test_both_networks_run(text):
    task = load(text)
    task.check()
    assert task.reference == text


@pytest.mark.slow
@pytest.mark.parametrize(("model", "published"), [("mlp", 0.68), ("cnn", 0.94)])
def test_networks_read_as_well_as_the_paper_s(model, published):
    task = create("mnist-1d", {"model": model})
    network, (x, y), (test, target) = task.build(0), task.data.train, task.data.test
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2 if model == "cnn" else 3e-3)
    stream, best = torch.Generator().manual_seed(0), 0.0
    for step in range(6000):
        rows = torch.randint(len(x), (100,), generator=stream)
        optimizer.zero_grad()
        task.loss(network(x[rows]), y[rows]).backward()
        optimizer.step()
        if step % 200 == 199:
            with torch.no_grad():
                best = max(best, (network(test).argmax(1) == target).float().mean().item())
    assert best == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"examples": 9}, "examples=9: must be a whole number, at least 10."),
        ({"model": "rnn"}, "no model of 'mnist-1d' is called 'rnn'"),
    ],
)
def test_unusable_options(options, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        create("mnist-1d", options)
