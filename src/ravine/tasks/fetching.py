"""Fetching a data set: resumable, checked, and never half written.

Every file comes into `NAME.gz.part`, is continued there after an interruption, checked against the digest of its
uncompressed bytes, flushed to disk and only then renamed. No existing file is ever written over, and nothing is
fetched unless the user asks for it.
"""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from ravine.base.errors import DataError, InputError
from ravine.tasks.data import IdxFile, get_set, locate, open_idx, own_folder, variant

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with (file name, bytes so far, bytes in all if known) while a file comes in."""

_CHUNK = 1 << 16
_ATTEMPTS = 3
_TIMEOUT_S = 30.0


def get(name: str, folder: str | Path | None = None, source: str | None = None, progress: Progress | None = None) -> list[Path]:
    """Fetch the four files of a data set; good files that are already there are kept and used.

    Args:
        name: `mnist` or `fashion-mnist`.
        folder: where to put them; otherwise `RAVINE_DATA/NAME`, or the user's cache, unless they are found already
            where ravine looks for them.
        source: URL of a folder with the same four `.gz` files; otherwise `RAVINE_DATA_SOURCE`, or a public mirror.
        progress: called while bytes come in.

    Returns:
        the paths of training images and labels, test images and labels.

    Raises:
        UnknownNameError: no data set is called that.
        InputError: the source is no http(s) address.
        DataError: the server cannot be reached or refuses, the transfer breaks off, the folder cannot be written,
            or a file is damaged: one that came is removed, one that was there is left for the user to delete.
    """
    files = get_set(name)
    base = source or os.environ.get("RAVINE_DATA_SOURCE") or files.source
    if not base.startswith(("http://", "https://")):
        raise InputError(f"source={base!r}: must be an address that starts with http:// or https://.", given=base)
    target = Path(folder).expanduser() if folder is not None else own_folder(name)
    try:
        found = locate(name) if folder is None else None
        if found and all(_fault(path, file) is None for path, file in zip(found, files.files, strict=True)):
            return found
        target.mkdir(parents=True, exist_ok=True)
        return [_fetch(file, f"{base.rstrip('/')}/{file.name}.gz", target / f"{file.name}.gz", progress) for file in files.files]
    except OSError as error:
        raise DataError(f"{target} cannot be written ({error.strerror or error}). Give another folder, or set RAVINE_DATA.") from error


def _fetch(file: IdxFile, url: str, path: Path, progress: Progress | None) -> Path:
    existing = variant(path.parent, file.name)
    if existing is not None:
        fault = _fault(existing, file)
        if fault is None:
            return existing
        raise DataError(f"{existing} {fault}. Delete it and run this again.")
    part = path.with_name(path.name + ".part")
    is_resumed = part.is_file()
    _download(url, part, lambda done, total: progress(path.name, done, total) if progress else None)
    fault = _fault(part, file)
    if fault is not None:
        part.unlink()
        if is_resumed:
            # The beginning may have come from another version of the file.
            return _fetch(file, url, path, progress)
        raise DataError(f"{url} {fault}; what came was removed. Try again, or give another source.")
    os.replace(part, path)
    _flush_folder(path.parent)
    return path


def _fault(path: Path, file: IdxFile) -> str | None:
    """What is wrong with a file, None if it is the published one."""
    algorithm, _, expected = file.digest.partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with open_idx(path) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error) as error:
        return f"cannot be read ({error})"
    if digest.hexdigest() != expected:
        return f"has a wrong checksum ({algorithm} {digest.hexdigest()[:12]}... instead of {expected[:12]}...)"
    return None


def _download(url: str, part: Path, progress: Callable[[int, int | None], None]) -> None:
    """Bring `part` to its full size, continuing what is there; a transfer that breaks off is taken up again."""
    total: int | None = None
    for _ in range(_ATTEMPTS):
        try:
            total = _transfer(url, part, progress)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.stat().st_size:
                # Whatever lies there is not a beginning of this file; or it is all of it, and the digest will tell.
                if _has_size(error, part):
                    return
                part.unlink()
                continue
            raise DataError(f"{url} answered {error.code} {error.reason}. Try again later, or give another source.") from error
        except (urllib.error.URLError, http.client.InvalidURL, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise DataError(f"{url} cannot be reached ({reason}). Check the network, or copy the files and set RAVINE_DATA.") from error
        except (ConnectionError, TimeoutError, http.client.HTTPException):
            continue
        if total is None or part.stat().st_size >= total:
            return
    size = part.stat().st_size if part.is_file() else 0
    raise DataError(f"{url} broke off at {size} of {total or 'unknown'} bytes {_ATTEMPTS} times. Run it again to continue there.")


def _has_size(error: urllib.error.HTTPError, part: Path) -> bool:
    return error.headers.get("Content-Range", "").rpartition("/")[2] == str(part.stat().st_size)


def _transfer(url: str, part: Path, progress: Callable[[int, int | None], None]) -> int | None:
    """Fetch the rest of a file into `part`; returns the whole file's size if the server tells it."""
    start = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0  # the server sends the whole file
        total = _total(answer, start)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            done = start
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
            file.flush()
            os.fsync(file.fileno())
    return total


def _total(answer: Any, start: int) -> int | None:
    length = answer.headers.get("Content-Length")
    return start + int(length) if length and length.isdigit() else None


def _flush_folder(folder: Path) -> None:
    # A rename is only safe against a power cut once its folder is on disk; Windows cannot open folders.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
