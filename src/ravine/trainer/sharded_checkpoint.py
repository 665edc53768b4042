"""Checkpoints that many processes write together: a folder with what each holds, readable by any number of processes.

    checkpoint-STEP/shard-K-model-00001-of-00001.safetensors    what process K - 1 holds, and where it begins in the whole
    checkpoint-STEP/checkpoint.json                             the JSON header, and a digest of every file and of itself

`torch.distributed.checkpoint` writes and reads the shards, in safetensors: its own format keeps metadata as a pickle, and
reading that runs code. A folder is written under another name, waited for until it is on the disk, and only then renamed.
"""

import contextlib
import hashlib
import json
import shutil
import uuid
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ravine._version import __version__
from ravine.base.errors import RecordError
from ravine.fleet.durable import reason, sync
from ravine.optim._storage import is_sharded, local
from ravine.trainer.distributed import Processes

INDEX = "checkpoint.json"
_BLOCK = 1 << 24
"""Bytes of a file that are read at a time."""

Target: TypeAlias = Callable[[str, tuple[int, ...], torch.dtype], Tensor]
"""A function of a tensor's name, whole shape and dtype: the tensor to read it into."""


def write(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor], processes: Processes) -> None:
    """Write one checkpoint whole or not at all; every process calls this with what it holds.

    Raises:
        OSError: one of them could not write.
    """
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter  # noqa: PLC0415 - takes a second
    from torch.distributed.checkpoint.state_dict_saver import save  # noqa: PLC0415

    draft = processes.on_first(lambda: _drafted(path.parent))
    failure = ""
    try:
        with warnings.catch_warnings(action="ignore"):
            save(_apart(tensors), storage_writer=HuggingFaceStorageWriter(str(draft), save_distributed=True))
    except Exception as error:
        failure = reason(error.__cause__ or error)
    own = draft / f"shard-{processes.rank + 1:05}-model-00001-of-00001.safetensors"
    digests = processes.gather((failure, own.name, _digest(own)) if own.exists() else (failure, "", ""))
    failures = [told for told, _, _ in digests if told]
    try:
        if failures:
            raise OSError(failures[0])
        files = {name: digest for _, name, digest in digests if name}
        processes.on_first(lambda: _finish(draft, path, header, files))
    finally:
        if processes.is_first:
            shutil.rmtree(draft, ignore_errors=True)


def read_header(path: Path, *, is_checked: bool = True) -> dict[str, Any]:
    """The header of a checkpoint, if every bit of it and of its files is as it was written.

    Args:
        path: the folder.
        is_checked: whether the files' checksums are compared too; one process of many is enough for that.

    Raises:
        RecordError: something is missing, was cut short or changed.
    """
    try:
        index = json.loads((path / INDEX).read_text(encoding="utf-8"))
        found: dict[str, Any] = json.loads(index["header"])
        if index["digest"] != _of_text(index["header"], index["files"]):
            raise RecordError(f"{path} is damaged: its header has another checksum than when it was written.")
        for name, digest in index["files"].items() if is_checked else ():
            if _digest(path / name) != digest:
                raise RecordError(f"{path} is damaged: {name} has another checksum than when it was written.")
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{path} cannot be read ({reason(error)}): it was cut short or is no checkpoint.") from error
    return found


def read_tensors(path: Path, target: Target | None) -> dict[str, Tensor]:
    """The tensors of a checkpoint, each process reading what it is to hold.

    Args:
        path: the folder, whose header was read.
        target: says what each tensor is read into; whole ones on the CPU if None.

    Raises:
        RecordError: it cannot be read here.
    """
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader  # noqa: PLC0415 - takes a second
    from torch.distributed.checkpoint.state_dict_loader import load  # noqa: PLC0415

    try:
        known = HuggingFaceStorageReader(str(path)).read_metadata().state_dict_metadata
        forms: dict[str, Any] = dict(known)
        make = whole if target is None else target
        found = {name: make(name, tuple(form.size), form.properties.dtype) for name, form in forms.items()}
        with warnings.catch_warnings(action="ignore"):
            # Every process plans for itself: they need not read the same names.
            load(found, storage_reader=HuggingFaceStorageReader(str(path)), no_dist=True)
    except Exception as error:
        raise RecordError(f"{path} cannot be read here ({reason(error)}): every process needs the same folder.") from error
    return found


def whole(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """An empty tensor on the CPU."""
    del name
    return torch.empty(shape, dtype=dtype)


def into(target: Target, name: str, tensor: Tensor) -> Tensor:
    """A whole tensor that this process has, as `target` wants it."""
    like: Any = target(name, tuple(tensor.shape), tensor.dtype)
    if not is_sharded(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor  # noqa: PLC0415 - takes a second

    return distribute_tensor(tensor.to(local(like).device), like.device_mesh, like.placements, src_data_rank=None)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _drafted(folder: Path) -> Path:
    found = folder / f".draft-{uuid.uuid4().hex[:8]}"
    found.mkdir()
    return found


def _finish(draft: Path, path: Path, header: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Give a draft its index, wait until all of it is on the disk, and let it take its name."""
    text = json.dumps({"ravine": __version__, "torch": str(torch.__version__), **header}, allow_nan=False)
    index = {"header": text, "files": files, "digest": _of_text(text, files)}
    (draft / INDEX).write_text(json.dumps(index), encoding="utf-8")
    for name in (*files, INDEX):
        sync(draft / name)
    sync(draft)
    if path.exists():  # one of this step that could not be read
        path.rename(path.with_name(f".draft-{uuid.uuid4().hex[:8]}"))
    draft.rename(path)
    sync(path.parent)


def remove(path: Path) -> None:
    """Remove a folder so that a kill on the way leaves none that looks whole."""
    with contextlib.suppress(OSError):
        draft = path.with_name(f".draft-{uuid.uuid4().hex[:8]}")
        path.rename(draft)
        shutil.rmtree(draft, ignore_errors=True)


def _of_text(text: str, files: Mapping[str, str]) -> str:
    return hashlib.blake2b((text + json.dumps(dict(sorted(files.items())))).encode(), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    found = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
