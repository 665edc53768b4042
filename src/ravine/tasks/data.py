"""Data sets on disk: where they are looked for, and the IDX format.

IDX: two zero bytes, a type code, the number of dimensions, each dimension as a big-endian 32-bit number, then the
values in row-major order (LeCun, Cortes and Burges, The MNIST database).
"""

import gzip
import os
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from ravine.base._checks import unknown_name
from ravine.base.errors import DataNotFoundError


@dataclass(frozen=True, slots=True)
class IdxFile:
    """One file of a data set.

    Attributes:
        name: file name without `.gz`.
        digest: `algorithm:hex` of the uncompressed bytes; of these, since mirrors compress differently.
    """

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class IdxSet:
    """A data set of four files: training images and labels, test images and labels.

    Attributes:
        name: what people call it.
        source: URL of the folder that holds the four `.gz` files.
        files: in that order.
        folders: where system packages put it.
    """

    name: str
    source: str
    files: tuple[IdxFile, ...]
    folders: tuple[Path, ...] = ()


def _four(algorithm: str, *digests: str) -> tuple[IdxFile, ...]:
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    return tuple(IdxFile(name, f"{algorithm}:{digest}") for name, digest in zip(names, digests, strict=True))


SETS = {
    "mnist": IdxSet(
        "mnist",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        _four(
            "sha256",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    # MD5, because that is what is published for these files; it guards against damage, not against malice.
    "fashion-mnist": IdxSet(
        "fashion-mnist",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        _four(
            "md5",
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
        (Path("/usr/share/datasets/fashion-mnist"),),
    ),
}
"""Every data set that can be found or fetched."""


def get_set(name: str) -> IdxSet:
    """The data set called `name`.

    Raises:
        UnknownNameError: no such name.
    """
    if name not in SETS:
        raise unknown_name("data set", name, SETS)
    return SETS[name]


def own_folder(name: str) -> Path:
    """Where ravine puts a data set: a folder under `RAVINE_DATA`, or under the user's cache."""
    given = os.environ.get("RAVINE_DATA")
    if given:
        return Path(given).expanduser() / name
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ravine" / "data" / name


def folders(name: str) -> tuple[Path, ...]:
    """Where a data set is looked for, in this order: `RAVINE_DATA/name`, `RAVINE_DATA`, the cache, system packages.

    `RAVINE_DATA` itself counts for every data set only if it holds the four files; a folder of torchvision's
    layout (`MNIST/raw`) is known too.
    """
    given = os.environ.get("RAVINE_DATA")
    found = [own_folder(name)]
    if given:
        root = Path(given).expanduser()
        torchvision = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name]
        found += [root / name.replace("-", "_"), root / torchvision / "raw", root]
    return (*found, *get_set(name).folders)


def locate(name: str) -> list[Path] | None:
    """The four files of a data set, or None where no folder holds all of them."""
    for folder in folders(name):
        paths = [variant(folder, file.name) for file in get_set(name).files]
        if all(path is not None for path in paths):
            return [path for path in paths if path is not None]
    return None


def find(name: str) -> list[Path]:
    """The four files of a data set: training images and labels, test images and labels.

    Raises:
        UnknownNameError: no data set is called that.
        DataNotFoundError: it is nowhere; the message says where was looked and what to do.
    """
    paths = locate(name)
    if paths is None:
        looked = ", ".join(str(folder) for folder in folders(name))
        remedy = f"Run: ravine data get {name}, or set RAVINE_DATA to the folder that holds its four IDX files."
        raise DataNotFoundError(f"no data for {name!r}: looked in {looked}. {remedy}")
    return paths


def variant(folder: Path, name: str) -> Path | None:
    """The file called `name` in a folder, under any of the names in use for it."""
    # Some archives write train-images.idx3-ubyte.
    dotted = name.replace("-idx", ".idx")
    return next((folder / (stem + end) for stem in (name, dotted) for end in ("", ".gz") if (folder / (stem + end)).is_file()), None)


def open_idx(path: Path) -> IO[bytes]:
    """Open a file for its uncompressed bytes, gzipped or not."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if is_gzip else path.open("rb")


def read_idx(path: str) -> np.ndarray:
    """The array in an IDX file of bytes, gzipped or not; `ValueError` names the file and what is wrong with it."""
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file ({error})") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is no IDX file of bytes: it starts with {content[:4]!r}")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start], dtype=">u4").astype(int).tolist() if len(content) >= start else []
    values = np.frombuffer(content, dtype=np.uint8, offset=min(start, len(content)))
    expected = int(np.prod(shape, dtype=object)) if shape else 1
    if len(shape) != content[3] or values.size != expected:
        raise ValueError(f"{path} is truncated or too long: {values.size} values for the shape {tuple(shape)}")
    return values.reshape(shape)
