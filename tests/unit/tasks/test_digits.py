import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ravine.tasks import create, digits


@pytest.fixture(scope="module")
def data():
    return create("digits").data


def test_sizes_and_dtypes(data):
    assert data.sizes == {"train": 1079, "validation": 359, "test": 359}
    for x, y in (data.train, data.validation, data.test):
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        assert x.shape[1:] == (64,)
        assert (x.min(), x.max()) == (0.0, 1.0)


def test_every_digit_is_in_exactly_one_split(data):
    pixels, labels = load_digits(return_X_y=True)
    rows = [
        (*np.rint(x.numpy() * 16).astype(int).tolist(), int(label))
        for split in (data.train, data.validation, data.test)
        for x, label in zip(*split, strict=True)
    ]
    assert sorted(rows) == sorted((*row.astype(int).tolist(), int(label)) for row, label in zip(pixels, labels, strict=True))


def test_classes_have_equal_shares_in_every_split(data):
    counts = {name: torch.bincount(getattr(data, name)[1], minlength=10) for name in ("train", "validation", "test")}
    total = sum(counts.values())
    for name, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        # Three of every five in class order: off by at most 1.2.
        assert (counts[name] - share * total).abs().max() <= 1.21


def test_the_model_and_the_loss():
    task = create("digits")
    task.check()
    described = task.describe()
    assert (described["parameters"], described["batch_size"], described["steps_per_epoch"]) == (64 * 32 + 32 + 32 * 10 + 10, 64, 16)
    assert described["metrics"] == ["accuracy"]
    assert task.baseline_loss() == pytest.approx(np.log(10), abs=2e-4)


def test_reading_the_file_gives_what_scikit_learn_gives(monkeypatch):
    ours, theirs = digits.read_splits(), digits.digits_splits()
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    elsewhere = digits.read_splits()
    for own, other, third in zip(ours, theirs, elsewhere, strict=True):
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(own, other, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(own, third, strict=True))


def test_the_data_come_without_importing_scikit_learn():
    text = "import sys; from ravine.tasks import create; create('digits').data; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
