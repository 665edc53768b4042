"""Against small files of the same format everywhere; against the real ones where RAVINE_DATA holds them."""

import gzip
import re
import struct

import numpy as np
import pytest
import torch

from ravine.base.errors import DataError, DataNotFoundError
from ravine.tasks import create, data, load

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def small(monkeypatch, tmp_path):
    stream = np.random.default_rng(0)
    arrays = [
        stream.integers(0, 256, (240, 28, 28), dtype=np.uint8),
        (np.arange(240) % 10).astype(np.uint8),
        stream.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        (np.arange(30) % 10).astype(np.uint8),
    ]
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name, array in zip(NAMES, arrays, strict=True):
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    return arrays, folder


def test_splits_of_small_files(small):
    arrays, _ = small
    task = load("mnist")
    task.check()
    assert task.data.sizes == {"train": 220, "validation": 20, "test": 30}
    assert torch.bincount(task.data.validation[1]).tolist() == [2] * 10
    assert torch.equal(task.data.test[0], torch.tensor(arrays[2].reshape(30, 784), dtype=torch.float32) / 255)
    assert task.data.test[1].tolist() == arrays[3].tolist()
    pixels = torch.cat([task.data.train[0], task.data.validation[0]])
    labels = torch.cat([task.data.train[1], task.data.validation[1]])
    found = sorted([*row, label] for row, label in zip((pixels * 255).round().tolist(), labels.tolist(), strict=True))
    assert found == sorted([*row, label] for row, label in zip(arrays[0].reshape(240, 784).tolist(), arrays[1].tolist(), strict=True))
    assert task.describe()["parameters"] == 109_386


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_cnn_on_the_same_rows(name, small):
    small[1].rename(small[1].with_name(name))
    task = load(f"{name}:model=cnn")
    assert (task.name, task.reference) == (f"{name}:cnn", f"{name}:cnn")
    task.check()
    assert task.describe()["parameters"] == 9 * (16 + 256 + 512 + 1024) + 2 * (16 + 16 + 32 + 32) + 10 * (1568 + 1)
    image = task.data.validation[0][:1]
    model = task.build(0).eval()
    # Shifted by the four pixels that the pools make one of: the features shift by one place, away from the border.
    here, shifted = (model[:-2](x)[0] for x in (image, image.roll(4, 2)))
    assert here.shape == (32, 7, 7)
    torch.testing.assert_close(shifted[:, 3:5], here[:, 2:4], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(shifted[:, 2:4], here[:, 2:4])


def test_damaged_and_mismatched_files_name_themselves(small):
    _, folder = small
    labels = folder / f"{NAMES[1]}.gz"
    labels.write_bytes(gzip.compress(idx(np.zeros(239, dtype=np.uint8))))
    with pytest.raises(DataError, match="hold unequal numbers of images and labels: 240 and 239, test 30 and 30"):
        _ = create("mnist").data
    labels.write_bytes(labels.read_bytes()[:-3])
    with pytest.raises(DataError, match=re.escape(f"{labels} is a damaged gzip file") + ".*Delete it and run: ravine data get mnist"):
        _ = create("mnist").data


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_no_data(name, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(data.SETS, name, data.IdxSet(name, "", data.SETS[name].files))
    with pytest.raises(DataNotFoundError, match=f"no data for '{name}': looked in .*ravine data get {name}"):
        _ = load(name).data


def test_the_real_files():
    paths = data.locate("mnist")
    if paths is None:
        pytest.skip("MNIST is not here: run `ravine data get mnist`, or set RAVINE_DATA")
    from ravine.tasks.fetching import _fault

    assert [_fault(path, file) for path, file in zip(paths, data.SETS["mnist"].files, strict=True)] == [None] * 4
    task = create("mnist")
    assert task.data.sizes == {"train": 55_000, "validation": 5_000, "test": 10_000}
    # Class counts of the published test set.
    assert torch.bincount(task.data.test[1]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    shares = torch.bincount(task.data.train[1]) / torch.bincount(task.data.validation[1])
    assert shares.min() > 10.9
    assert shares.max() < 11.1
