"""Checkpoints: the state of a training on disk, from which a killed one goes on with the same bits.

A checkpoint is a safetensors file whose metadata hold a JSON header and a digest of both; loading one executes nothing.
It is written under another name, waited for until it is on the disk, and only then renamed, so that a name ending in
`.safetensors` always stands for a whole file; many processes that hold different parts write a folder instead
(`sharded_checkpoint`). The two latest are kept: where the last cannot be read, the one before it is
used. `best.safetensors`, `model.safetensors` and `snapshot-STEP.safetensors` hold weights alone, under the names of
`model.state_dict()`.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ravine._version import __version__
from ravine.base.errors import InputError, RecordError
from ravine.fleet.durable import apart, digest, reason, sync
from ravine.trainer import sharded_checkpoint
from ravine.trainer.distributed import ALONE, Processes
from ravine.trainer.sharded_checkpoint import Target

FORMAT = 1
KEPT = 2
"""Checkpoints that stay: the last one, and the one before it in case the last is damaged."""

ENDING = ".safetensors"
BEST, MODEL = f"best{ENDING}", f"model{ENDING}"
SNAPSHOTS = f"snapshot-*{ENDING}"
_NAME = re.compile(r"checkpoint-(\d{9,})(\.safetensors)?")
_DRAFTS = (".draft-*", ".tmp*")
"""What a killed process leaves: our drafts, and those of safetensors (0.8)."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training at a moment.

    Attributes:
        path: where it lies.
        header: JSON values.
        tensors: flat name -> tensor, in memory of their own.
    """

    path: Path
    header: Mapping[str, Any]
    tensors: Mapping[str, Tensor] = field(repr=False)


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: where they lie; made if it does not exist, and gone again if nothing came to lie there.
        processes: who shares them; the first one holds the folder for all.

    Raises:
        InputError: the folder cannot be made, or another process trains in it.
    """

    def __init__(self, folder: Path, processes: Processes = ALONE) -> None:
        self.folder, self._processes, self._lock, self._is_new = folder, processes, -1, False
        if not processes.is_first:
            return
        try:
            self._is_new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(folder)
        except OSError as error:
            why = "it is a file, and a training is a folder" if folder.is_file() else reason(error)
            raise InputError(f"{folder} cannot be written: {why}; give another folder with out.", given=folder) from error
        for draft in (path for pattern in _DRAFTS for path in folder.glob(pattern)):
            with contextlib.suppress(OSError):
                shutil.rmtree(draft) if draft.is_dir() else draft.unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process train here."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self._is_new:
            with contextlib.suppress(OSError):  # it holds something
                self.folder.rmdir()

    def paths(self) -> list[Path]:
        """Checkpoints, latest first."""
        return _paths(self.folder)

    def latest(self, target: Target | None = None) -> tuple[Checkpoint | None, list[str]]:
        """The latest whole checkpoint, and a sentence on every later one that had to be refused.

        Args:
            target: says what tensors are read into; whole ones on the CPU if None.

        Raises:
            RecordError: there are checkpoints, and none can be read.
        """
        refused = list[str]()
        for path in self._processes.on_first(self.paths):
            found, failure = None, ""
            try:
                found = read(path, target, is_checked=self._processes.is_first)
            except RecordError as error:
                failure = str(error)
            failures = [failure for failure in self._processes.gather(failure) if failure]
            if not failures:
                return found, refused
            refused.append(f"{failures[0]} The one before it is used.")
        if refused:
            raise RecordError(f"{self.folder}: no checkpoint can be read. {refused[0].removesuffix(' The one before it is used.')}")
        return None, []

    def save(self, step: int, header: Mapping[str, Any], tensors: Mapping[str, Tensor], *, is_sharded: bool = False) -> Path:
        """Write a checkpoint, and remove those that are no longer kept.

        Args:
            step: steps taken.
            header: JSON values.
            tensors: what this process holds.
            is_sharded: whether other processes hold something else; all of them write a folder then, else the first a file.

        Raises:
            OSError, SafetensorError: it could not be written; what was there is as it was.
        """
        path = self.folder / f"checkpoint-{step:09}{'' if is_sharded else ENDING}"
        header = {**header, "step": step, "saved_s": time.time()}
        if is_sharded:
            sharded_checkpoint.write(path, {"format": FORMAT, **header}, tensors, self._processes)
        else:
            self.write(path.name, header, tensors)
        if self._processes.is_first:
            for old in self.paths()[KEPT:]:
                _remove(old)
        return path

    def write(self, name: str, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Write one file that all processes could: the first one does.

        Raises:
            OSError, SafetensorError: it could not be written; what was there is as it was.
        """
        self._processes.on_first(lambda: write(self.folder / name, header, tensors))

    def discard(self) -> None:
        """Remove everything that a training wrote here."""
        for path in [*self.paths(), self.folder / BEST, self.folder / MODEL, *self.folder.glob(SNAPSHOTS)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def last_header(folder: Path) -> dict[str, Any]:
    """What the latest checkpoint of a folder says of itself, its tensors unread and unchecked; nothing where there is none."""
    for path in _paths(folder) if folder.is_dir() else ():
        with contextlib.suppress(RecordError):
            return sharded_checkpoint.read_header(path, is_checked=False) if path.is_dir() else _read_header(path)
    return {}


def _paths(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(_NAME.fullmatch(path.name)[1]), reverse=True)  # type: ignore[index]


def snapshot_name(step: int) -> str:
    """The file of the weights at the end of a cycle."""
    return f"snapshot-{step:09}{ENDING}"


def write(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write one file whole or not at all."""
    held = apart(tensors)
    text = json.dumps({"format": FORMAT, "ravine": __version__, "torch": str(torch.__version__), **header}, allow_nan=False)
    draft = path.with_name(f".draft-{uuid.uuid4().hex[:8]}")
    try:
        draft.touch()
        permissions = draft.stat().st_mode
        save_file(held, draft, metadata={"ravine": text, "digest": digest(text, held)})
        draft.chmod(permissions)  # safetensors keeps files from everyone but their owner
        sync(draft)
        draft.replace(path)
        sync(path.parent)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def read(path: Path, target: Target | None = None, *, is_checked: bool = True) -> Checkpoint:
    """One checkpoint, if every bit of it is as it was written.

    Args:
        path: a file, or a folder that many processes wrote.
        target: says what tensors are read into; whole ones on the CPU if None.
        is_checked: whether a folder's checksums are compared.

    Raises:
        RecordError: it is cut short, was changed, or is no checkpoint.
    """
    if path.is_dir():
        header = sharded_checkpoint.read_header(path, is_checked=is_checked)
        _check_format(path, header)
        return Checkpoint(path, header, sharded_checkpoint.read_tensors(path, target))
    found = _read_file(path)
    if target is None:
        return found
    return dataclasses.replace(found, tensors={name: sharded_checkpoint.into(target, name, held) for name, held in found.tensors.items()})


def _read_file(path: Path) -> Checkpoint:
    with _open(path) as file:
        metadata = _metadata(path, file)
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no dictionary
    if metadata.get("digest") != digest(metadata["ravine"], tensors):
        raise RecordError(f"{path} is damaged: its contents have another checksum than when it was written.")
    header = json.loads(metadata["ravine"])
    _check_format(path, header)
    return Checkpoint(path, header, tensors)


def _read_header(path: Path) -> dict[str, Any]:
    """What a file says of itself, its tensors unread and unchecked."""
    with _open(path) as file:
        found: dict[str, Any] = json.loads(_metadata(path, file)["ravine"])
    return found


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{path} cannot be read ({reason(error)}): it was cut short or is no checkpoint.") from error


def _metadata(path: Path, file: Any) -> dict[str, str]:
    found: dict[str, str] = file.metadata() or {}
    if "ravine" not in found:
        raise RecordError(f"{path} is not a checkpoint of ravine: another program wrote it.")
    return found


def _check_format(path: Path, header: Mapping[str, Any]) -> None:
    if header["format"] != FORMAT:
        given = f"{path} has format {header['format']}, and this ravine reads {FORMAT}"
        raise RecordError(f"{given}. Use the ravine that wrote it, {header['ravine']}.")


def _remove(path: Path) -> None:
    if path.is_dir():
        sharded_checkpoint.remove(path)
        return
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def load_weights(model: nn.Module, path: Path) -> None:
    """Weights that `best.safetensors` or `model.safetensors` holds, into a model.

    Raises:
        RecordError: the file is damaged.
        InputError: it is of another model.
    """
    fill(model, read(path).tensors, where=str(path))


@torch.no_grad()
def fill(model: nn.Module, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Copy weights into a model of exactly their names, shapes and dtypes.

    Raises:
        InputError: they are another model's; the first that differs is named.
    """
    own = model.state_dict()
    for name in [*own, *(name for name in weights if name not in own)]:
        here, there = (_form(state.get(name)) for state in (own, weights))
        if here != there:
            given = f"{where} is of another model: {name} is {there} there and {here} here"
            raise InputError(f"{given}. Train the model that was saved, or give another folder.")
    for name, tensor in own.items():
        tensor.copy_(weights[name])


def _form(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


def _locked(folder: Path) -> int:
    """A handle that holds the folder for this process; a kill lets go of it. -1 where the system has no such locks."""
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        return -1
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise InputError(f"{folder} is in use: another process trains there. Give another folder, or wait.", given=folder) from error
    except OSError:
        os.close(handle)
        return -1  # some network file systems have none
    return handle


@contextlib.contextmanager
def opened(folder: Path, processes: Processes = ALONE) -> Iterator[Checkpoints]:
    """The checkpoints of a folder, held for the block."""
    with processes.together():
        found = Checkpoints(folder, processes)
    try:
        yield found
    finally:
        found.close()
