"""A task on its way to another machine, which need not have the user's files.

A built-in travels by its name, a task from a file with the text of that file and of the modules beside it that it
imported, and a task made in Python by cloudpickle. Data that the user's code reads from a disk does not travel: it
lies where every machine reads it, or belongs into the task as tensors.
"""

import dataclasses
import importlib.metadata
import pickle
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ravine._version import __version__
from ravine.base.errors import RavineError, TaskError
from ravine.fleet.parcel import Parcel, pack
from ravine.tasks import Task
from ravine.tasks.registry import REGISTRY

_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class Shipment:
    """A task as it travels.

    Attributes:
        parcel: the task, or the text from which it is loaded.
        root: folder of the user's code here; empty where none is needed.
        files: path below it -> content.
    """

    parcel: Parcel
    root: str
    files: Mapping[str, bytes]

    def open(self) -> Task:
        """The task; from the user's own folder where it lies here as well, so that data beside the code is found.

        Raises:
            TaskError: it came out with other data or weights, or could not be loaded here.
        """
        root = Path(self.root)
        if self.files and not self._is_in(root):
            root = self._unpack()
        if self.files and str(root) not in sys.path:
            sys.path.append(str(root))
        reference = self.parcel.reference
        if reference.startswith(f"{self.root}/"):
            reference = f"{root}{reference[len(self.root) :]}"
        try:
            return dataclasses.replace(self.parcel, reference=reference).open()
        except RavineError as error:
            raise TaskError(f"on another machine, {error}") from error
        except Exception as error:
            raise TaskError(
                f"on another machine, the task could not be unpacked: {type(error).__name__}: {error}. "
                "Install what it imports on every node, or keep its code in one folder with the script."
            ) from error

    def _is_in(self, root: Path) -> bool:
        try:
            return all((root / name).read_bytes() == content for name, content in self.files.items())
        except OSError:
            return False

    def _unpack(self) -> Path:
        root = Path(tempfile.mkdtemp(prefix="ravine-task-"))
        for name, content in self.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        return root


def ship(task: Task, mark: bytes, dumps: Callable[[Task], bytes] = pickle.dumps) -> Shipment:
    """The task in a form that another machine can open.

    Args:
        task: the task.
        mark: its fingerprint.
        dumps: pickles a task that no text names, where plain pickle does not.

    Raises:
        TaskError: it cannot travel.
    """
    if not task.reference:
        try:
            parcel = Parcel(dumps(task), "", {}, mark)
        except Exception as error:
            raise TaskError(
                f"task {task.name!r} cannot be sent to another machine ({type(error).__name__}: {error}): load it from a file, "
                "or leave --ray out."
            ) from error
        return _with_files(parcel, Path(sys.path[0] or Path.cwd()))
    named = pack(task, mark)
    assert named is not None
    place, _, _ = task.reference.rpartition(":")
    if place.endswith(".py"):
        return _with_files(named, Path(place).parent)
    if task.reference.partition(":")[0] in REGISTRY:
        return Shipment(named, "", {})
    return _with_files(named, Path.cwd())


def _with_files(parcel: Parcel, root: Path) -> Shipment:
    root = root.resolve()
    return Shipment(parcel, str(root), own_files(root))


def own_files(root: Path) -> dict[str, bytes]:
    """Source of every loaded module below a folder that belongs to the user: neither installed, nor Python's, nor ravine's."""
    ours, standard = Path(__file__).resolve().parents[1], Path(sysconfig.get_path("stdlib"))
    found = {}
    for module in list(sys.modules.values()):
        file = Path(getattr(module, "__file__", None) or "")
        if file.suffix != ".py" or not file.is_relative_to(root) or file.is_relative_to(ours) or file.is_relative_to(standard):
            continue
        if not set(_INSTALLED) & set(file.parts) and file.is_file():
            found[file.relative_to(root).as_posix()] = file.read_bytes()
    return found


def versions() -> dict[str, str]:
    """What must be the same on every machine."""
    return {"ravine": __version__, "torch": importlib.metadata.version("torch")}
