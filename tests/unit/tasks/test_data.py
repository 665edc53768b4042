import gzip
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ravine.base.errors import DataNotFoundError, UnknownNameError
from ravine.tasks import data

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("RAVINE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(data.SETS, "fashion-mnist", data.IdxSet("fashion-mnist", "", data.SETS["fashion-mnist"].files))


@pytest.fixture
def put(tmp_path):
    def put(folder, names=NAMES):
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        return [tmp_path / folder / name for name in names]

    return put


@given(arrays.arrays(np.uint8, arrays.array_shapes(max_dims=4, max_side=5)), st.booleans())
def test_any_array_of_bytes_is_read_back(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    assert np.array_equal(data.read_idx(str(path)), array)
    with data.open_idx(path) as file:
        assert file.read() == idx(array)


GOOD = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no IDX file of bytes: it starts with b''"),
        (b"\x00\x00\x0d\x01" + GOOD[4:], "is no IDX file of bytes: it starts with b'\\x00\\x00\\r\\x01'"),
        (b"PK\x03\x04", "is no IDX file of bytes"),
        (GOOD[:-1], "is truncated or too long: 23 values for the shape (2, 3, 4)"),
        (GOOD + b"x", "is truncated or too long: 25 values"),
        (GOOD[:9], "is truncated or too long: 0 values"),
        (gzip.compress(GOOD)[:-9], "is a damaged gzip file"),
        (gzip.compress(GOOD)[:12] + b"\x00" * 9, "is a damaged gzip file"),
        (gzip.compress(GOOD)[:10] + b"\xff" * 30, "is a damaged gzip file"),
        (gzip.compress(GOOD)[:-8] + b"\x00" * 8, "is a damaged gzip file"),
    ],
)
def test_damaged_files(tmp_path, content, sentence):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path} {sentence}")):
        data.read_idx(str(path))


@given(st.binary(max_size=60))
def test_random_bytes_are_refused_in_one_way_only(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(b"\x00\x00\x08" + content)
    try:
        array = data.read_idx(str(path))
    except ValueError:
        return
    assert idx(array) == b"\x00\x00\x08" + content


@pytest.mark.parametrize("folder", ["mnist", "", "MNIST/raw"], ids=["its-own", "the-root", "torchvision"])
def test_found_under_ravine_data(put, monkeypatch, tmp_path, folder):
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    assert data.locate("mnist") is None
    paths = put(folder)
    assert data.find("mnist") == paths


@pytest.mark.parametrize("folder", ["fashion-mnist", "fashion_mnist", "FashionMNIST/raw"])
def test_fashion_under_its_usual_names(put, monkeypatch, tmp_path, folder):
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    paths = put(folder)
    assert data.find("fashion-mnist") == paths


def test_found_in_the_cache_and_in_system_folders(put, monkeypatch, tmp_path):
    system = put("system")
    monkeypatch.setitem(data.SETS, "mnist", data.IdxSet("mnist", "", data.SETS["mnist"].files, (tmp_path / "system",)))
    assert data.find("mnist") == system
    cached = put("cache/ravine/data/mnist")
    assert data.find("mnist") == cached
    assert data.own_folder("mnist") == tmp_path / "cache/ravine/data/mnist"
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    assert data.own_folder("mnist") == tmp_path / "mnist"


@pytest.mark.parametrize("end", ["", ".gz"])
def test_variants_of_the_file_names(put, end):
    dotted = [name.replace("-idx", ".idx") + end for name in NAMES]
    paths = put("cache/ravine/data/mnist", dotted)
    assert data.find("mnist") == paths


def test_three_of_four_files_are_not_enough(put, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    put("mnist", NAMES[:3])
    with pytest.raises(DataNotFoundError) as caught:
        data.find("mnist")
    message = str(caught.value)
    assert message.startswith("no data for 'mnist': looked in ")
    assert str(tmp_path / "mnist") in message
    assert message.endswith("Run: ravine data get mnist, or set RAVINE_DATA to the folder that holds its four IDX files.")


def test_an_unknown_data_set():
    with pytest.raises(UnknownNameError, match="no data set is called 'mnits'; did you mean 'mnist'"):
        data.find("mnits")
