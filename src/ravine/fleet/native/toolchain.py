"""Building native code at first use: the system's C++ compiler, and a cache of what it made.

The cache lies in the user's cache folder under the version of the interface. A library's name is a digest of
everything that decides its contents: text, headers, flags, compiler and processor. It is compiled under a temporary
name and renamed, and processes that want the same library at the same time wait for the first of them. It ends with a
digest of what stands before, so that a file that a crash or a full disk cut short is built again and never loaded: the
loader would end the process.
"""

import atexit
import ctypes
import fcntl
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ravine.fleet.native.values import Unsupported

INTERFACE = 1
"""Raised when the meaning of a generated function's arguments changes."""

FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd",
    "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", "-fno-semantic-interposition", "-w",
)  # fmt: skip
"""No -ffast-math: infinities and NaN decide whether a lane has diverged."""

SEAL_BYTES = 16
"""Length of the digest at a library's end; loaders do not look beyond what its header describes."""

LONGEST_S = 300
"""Seconds after which a compiler is given up."""


@functools.cache
def compiler() -> str | None:
    """Path of the C++ compiler, or None."""
    wanted = os.environ.get("CXX")
    return next((path for name in (wanted, "g++", "clang++", "c++") if name and (path := shutil.which(name))), None)


@functools.cache
def _headers() -> dict[str, bytes]:
    folder = Path(__file__).parent
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.h"))}


@functools.cache
def _machine() -> bytes:
    """What `-march=native` depends on, and the compiler."""
    path = compiler()
    assert path is not None
    try:
        version = subprocess.run([path, "--version"], capture_output=True, check=False, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        version = b""  # compiling with it will say what is wrong
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    processor = sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))})
    return "\n".join([platform.machine(), platform.processor(), *processor]).encode() + version


def cache_folder() -> Path:
    """Where libraries are kept; created if need be, a temporary one if the user's cannot be written."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "ravine" / f"native-{INTERFACE}"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # Path.home raises the latter where there is none
        pass
    return _temporary_folder()


@functools.cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ravine-native-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def library_path(source: str) -> Path:
    """Where the library of a text lies, or will lie."""
    digest = hashlib.blake2b(digest_size=16)
    for name, text in _headers().items():
        digest.update(name.encode() + text)
    digest.update(source.encode() + " ".join(FLAGS).encode() + _machine())
    return cache_folder() / f"{digest.hexdigest()}.so"


def build(source: str) -> ctypes.CDLL:
    """The library of a text, compiled if no earlier run has done it.

    Raises:
        Unsupported: there is no compiler, or it failed.
    """
    if compiler() is None:
        raise Unsupported("no C++ compiler was found")
    try:
        target = library_path(source)
        if not _is_whole(target):
            with _alone(target.with_suffix(".lock")):
                if not _is_whole(target):
                    _compile(source, target)
        return ctypes.CDLL(str(target))
    except OSError as error:
        raise Unsupported(f"native code could not be built or loaded ({error})") from error


def _seal(contents: bytes) -> bytes:
    return hashlib.blake2b(contents, digest_size=SEAL_BYTES).digest()


def _is_whole(path: Path) -> bool:
    """Whether a library is there, with every byte."""
    if not path.exists():
        return False
    contents = path.read_bytes()
    return contents[-SEAL_BYTES:] == _seal(contents[:-SEAL_BYTES])


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _compile(source: str, target: Path) -> None:
    path = compiler()
    assert path is not None
    with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as folder:
        text, library = Path(folder) / "step.cpp", Path(folder) / "step.so"
        text.write_text(source, encoding="utf-8")
        command = [path, *FLAGS, f"-I{Path(__file__).parent}", str(text), "-o", str(library)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
        except subprocess.TimeoutExpired as error:
            raise Unsupported(f"the C++ compiler took longer than {LONGEST_S} s") from error
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            raise Unsupported(f"the C++ compiler failed: {(errors or ['no message'])[0][:200]}")
        contents = library.read_bytes()
        library.write_bytes(contents + _seal(contents))
        library.replace(target)
