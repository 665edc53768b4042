"""Tasks from text: a built-in's name with options, a file, or an object in a module."""

import hashlib
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from ravine.base._checks import nearest, unknown_name
from ravine.base.errors import InputError, RavineError, TaskError, UnknownNameError
from ravine.tasks import registry
from ravine.tasks._randomness import isolated
from ravine.tasks._task import Task
from ravine.tasks.splits import first_line

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<name>.*))?", re.DOTALL)
_OBJECT = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)")
_OURS = str(Path(__file__).parents[1]) + os.sep
_SEED = 0
_neighbours: set[str] = set()


def load(text: str) -> Task:
    """The task that `text` names.

    A file or module is executed, and its function called, under a fixed seed of torch, numpy's legacy stream and
    `random`: unseeded draws in it are the same in every process, and the caller's streams stay as they were.

    Args:
        text: `digits`, `line:noise=0.5`, `curve:two-bumps,width=64`; or `path/to/file.py`, `path/to/file.py:name`,
            `package.module:name`. A file's or module's object is a `Task`, or a function without arguments that
            returns one. Without a name: `task`, or the only task in the file, or the function `make_task`.

    Raises:
        UnknownNameError: nothing is called that; the message offers the nearest names.
        InputError: a built-in's option is unusable.
        TaskError: the file or module is missing, raises, or holds no such task. What it raised is the cause, with
            its traceback cut to the user's own lines.
    """
    if not isinstance(text, str):
        raise InputError(f"task={text!r}: must be a text such as 'digits' or 'path/to/file.py'.", given=text)
    name, colon, options = text.strip().partition(":")
    if name in registry.REGISTRY:
        return registry.create(name, registry.parse_options(name, options) if colon else {})
    file = _FILE.fullmatch(text.strip())
    if file:
        return _from_file(Path(file["path"]).expanduser(), file["name"])
    target = _OBJECT.fullmatch(text.strip())
    if target:
        return _from_module(target["module"], target["name"])
    if "/" in text or "\\" in text:
        raise TaskError(f"{text!r} is no Python file: a task file ends in .py. Give path/to/file.py or path/to/file.py:name.")
    return registry.create(text)


def _from_file(path: Path, name: str | None) -> Task:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        close = nearest(path.name, [other.name for other in path.parent.glob("*.py")]) if path.parent.is_dir() else ()
        offer = f" Did you mean {' or '.join(repr(str(path.parent / other)) for other in close)}?" if close else ""
        raise TaskError(f"the task file {str(path)!r} {what}: give the path of a Python file.{offer}")
    path = path.resolve()
    with isolated(_SEED), _importable(path.parent), _fresh_neighbours(path.parent):
        module = _guarded(str(path), lambda: _execute(path))
        task, found = _pick(module, name, str(path))
    return task.referred(f"{path}:{found}")


def _from_module(module_name: str, name: str) -> Task:
    with isolated(_SEED), _importable(Path.cwd()):
        try:
            module = _guarded(module_name, lambda: importlib.import_module(module_name))
        except TaskError as error:
            cause = error.__cause__
            missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
            if missing is None or not f"{module_name}.".startswith(f"{missing}."):
                raise
            raise _nothing_called(module_name, name, missing) from None
        task, found = _pick(module, name, module_name)
    return task.referred(f"{module_name}:{found}")


def _nothing_called(module_name: str, name: str, missing: str) -> UnknownNameError:
    also = f"There is no module {missing!r} here either."
    close = nearest(module_name, registry.REGISTRY)
    if not close:
        return unknown_name("task", f"{module_name}:{name}", registry.REGISTRY, do=also)
    offer = " or ".join(repr(choice) for choice in close)
    return UnknownNameError(
        f"no task is called {module_name!r}; did you mean {offer}? {also}", given=f"{module_name}:{name}", nearest=close
    )


def _execute(path: Path) -> ModuleType:
    # A name of its own for every path, so that two files called task.py do not replace each other; registered
    # while it runs, since dataclasses and pickle look their module up by name.
    name = f"ravine_task_{path.stem}_{hashlib.blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the user's code import its neighbours, as `python file.py` would.

    While the code loads, its folder stands first on `sys.path`, so that its own `data.py` wins over an installed
    package. Afterwards the folder moves to the end, so that an import inside one of its functions still works
    when the function runs, and no neighbour can shadow a module that ravine imports later.
    """
    entry = str(folder)
    was_there = entry in sys.path
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(entry)
        if not was_there:
            sys.path.append(entry)


@contextmanager
def _fresh_neighbours(folder: Path) -> Iterator[None]:
    """Forget the neighbours that an earlier file brought in: another folder's `data.py`, or an edited one, is read anew."""
    for name in _neighbours:
        sys.modules.pop(name, None)
    _neighbours.clear()
    before = set(sys.modules)
    try:
        yield
    finally:
        _neighbours.update(name for name in set(sys.modules) - before if _is_neighbour(name.partition(".")[0], folder))


def _is_neighbour(top: str, folder: Path) -> bool:
    file = getattr(sys.modules.get(top), "__file__", None)
    return top != "ravine" and file is not None and Path(file) in (folder / f"{top}.py", folder / top / "__init__.py")


def _guarded(where: str, action: Callable[[], Any]) -> Any:
    """Run the user's code; whatever it raises becomes one sentence with the trimmed original as its cause."""
    try:
        return action()
    except (Exception, SystemExit) as error:
        error.__traceback__ = _trimmed(error.__traceback__)
        raise TaskError(_sentence(where, error)) from error


def _sentence(where: str, error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{where} cannot be read: {error.msg} (line {error.lineno} of {error.filename}). Correct that line."
    if isinstance(error, SystemExit):
        return f"{where} ends the program while it loads. Put what runs it under: if __name__ == '__main__':"
    # "<string>" is what dataclasses generate: the constructor of `Task`.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith((_OURS, "<string>"))]
    place = f" at line {frames[-1].lineno} of {frames[-1].filename}" if frames else ""
    # What ravine itself has to say needs no name of an exception.
    kind = "" if isinstance(error, RavineError) else f" raised {type(error).__name__}"
    return f"{where}{kind}{place}: {first_line(error)}."


def _trimmed(tb: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame that is neither ravine's nor the import machinery's."""
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if not file.startswith((_OURS, "<frozen importlib", importlib.__file__)):
            return tb
        tb = tb.tb_next
    return None


def _pick(module: ModuleType, name: str | None, where: str) -> tuple[Task, str]:
    found = _chosen(module, where) if name is None else name
    if not hasattr(module, found):
        usable = [key for key, value in vars(module).items() if not key.startswith("_") and (isinstance(value, Task) or callable(value))]
        raise unknown_name(f"task in {where}", found, usable or ["(nothing usable)"])
    value = getattr(module, found)
    if not isinstance(value, Task) and callable(value) and not isinstance(value, type):
        value = _guarded(f"{where}:{found}()", value)
    if not isinstance(value, Task):
        kind = type(value).__name__
        raise TaskError(f"{where}:{found} is of type {kind}: must be a ravine.Task, or a function without arguments that returns one.")
    return value, found


def _chosen(module: ModuleType, where: str) -> str:
    """The name to use where none was given."""
    if hasattr(module, "task"):
        return "task"
    tasks = [key for key, value in vars(module).items() if isinstance(value, Task)]
    # One task under two names is one task.
    if len({id(getattr(module, key)) for key in tasks}) == 1:
        return tasks[0]
    if tasks:
        raise TaskError(f"{where} holds several tasks: {', '.join(tasks)}. Name one: {where}:{tasks[0]}.")
    if hasattr(module, "make_task"):
        return "make_task"
    raise TaskError(f"{where} holds no task. Define task = ravine.Task(...), or name a function that returns one: {where}:name.")
