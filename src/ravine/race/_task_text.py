"""A task as text: a built-in's own functions, or lines that load the user's file or module without ravine."""

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.base.errors import InputError
from ravine.race._source_text import literal, source, with_needed
from ravine.tasks import Task, metrics

PLAIN_SEED = "torch.manual_seed({seed})"
FULL_SEED = "seed_everything({seed})"

SEED_EVERYTHING = '''def seed_everything(seed):
    """Seed every stream that a model factory or a data set may draw from."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)'''

AS_TENSORS = '''def as_tensors(data, seed):
    """Tensors as they are; arrays, a data set or a DataLoader as tensors, each item read once, in order, under a fixed seed."""
    seed_everything(seed)
    collate = default_collate
    if isinstance(data, DataLoader):
        data, collate = data.dataset, data.collate_fn
    is_array = [isinstance(part, (torch.Tensor, np.ndarray)) for part in data] if isinstance(data, list) else [False]
    if not isinstance(data, (torch.Tensor, np.ndarray, tuple, dict)) and not all(is_array):
        data = collate([data[index] for index in range(len(data))])
    data = tuple(data) if isinstance(data, list) else data
    return tree_map(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else torch.tensor(leaf), data)'''

ACCURACY = '''def accuracy(output, target):
    """Share of rows whose largest output stands at the target's place."""
    return (output.argmax(-1) == target).float().mean()'''
"""What `ravine.tasks.metrics.accuracy` comes down to for one class number a row."""

STAND_IN = '''class Task(SimpleNamespace):
    """What the task file says, by name: a stand-in, so that ravine need not be installed."""

    def __init__(self, name, model, train=None, validation=None, loss=None, **others):
        super().__init__(name=name, model=model, train=train, validation=validation, loss=loss, **{{"metrics": {{}}}} | others)


def load_task():
    """The task from its own {kind}, which finds the stand-in where it asks for ravine."""
    ravine = ModuleType("ravine")
    ravine.Task, ravine.metrics = Task, {metrics}
{register}
{load}
    task = module.{name}
    return {task}


task = load_task()'''

LOAD_FILE = """    sys.path.insert(0, {folder})
    spec = importlib.util.spec_from_file_location("task_file", {path})
    module = sys.modules["task_file"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)"""

IMPORTS = (
    *("import importlib", "import importlib.util", "import random", "import sys"),
    *("from types import ModuleType, SimpleNamespace", "from types import SimpleNamespace"),
    *("import numpy as np", "import torch", "from torch.utils.data import DataLoader, default_collate"),
    *("from torch.utils._pytree import tree_map", "from torch.utils._pytree import tree_leaves"),
)


@dataclass(frozen=True, slots=True)
class TaskText:
    """How a script makes its model and its data.

    Attributes:
        sections: top-level definitions.
        imports: lines that those may need.
        seed: line that seeds what the model draws from, with `{seed}` for the seed.
        model: expression that builds the model.
        data: lines that bind `train` and `validation`, the latter as the task gives it.
        criterion: expression of the function (output, target), or (model, batch) where the task has `step`.
        metrics: name -> expression of a function of the same arguments; or the expression of such a dictionary.
    """

    sections: tuple[str, ...]
    imports: tuple[str, ...]
    seed: str
    model: str
    data: tuple[str, ...]
    criterion: str
    metrics: dict[str, str] | str


def task_text(task: Task) -> TaskText:
    """The text of a task.

    Raises:
        InputError: it was made in Python and stands in no file.
    """
    if is_own_source(task):
        return _pasted(task)
    if task.reference is None:
        raise InputError(
            f"the task {task.name!r} was made in Python and has no text that a script could hold. "
            "Put it into a file of its own as task = ravine.Task(...) and race 'path/to/file.py'.",
            given=task.name,
        )
    return _loaded(task, task.reference)


def is_own_source(task: Task) -> bool:
    """Whether `task.sources` is what the task runs: it is not where somebody replaced a built-in's model, data or loss."""
    sources = task.sources
    if sources is None or task.load is None:
        return False
    criterion = getattr(_plain(task.step or task.loss), "__name__", "")
    is_ours = [getattr(metrics, getattr(f, "__name__", ""), None) is f or f in sources.objects for f in task.metrics.values()]
    # Of an expression such as partial(step, 2.0) the function inside.
    named = (sources.step or sources.loss).removeprefix("partial(").partition(",")[0]
    return _plain(task.model) in sources.objects and named.rpartition(".")[2] == criterion and all(is_ours)


def _plain(function: Callable[..., Any] | None) -> Any:
    return function.func if isinstance(function, partial) else function


def _pasted(task: Task) -> TaskText:
    sources = task.sources
    assert sources is not None
    functions = dataclasses.replace(sources, imports=()).text().strip("\n")
    measures = [_without_checks(function) for function in with_needed(f for f in task.metrics.values() if f not in sources.objects)]
    target = task.data.train[-1] if isinstance(task.data.train, tuple) else None
    if sources.loss == "F.cross_entropy" and list(task.metrics.values()) == [metrics.accuracy] and target is not None and target.ndim == 1:
        measures = [ACCURACY]
    splits = "train, validation, _" if task.data.test is not None else "train, validation"
    return TaskText(
        sections=(functions, *measures),
        imports=(*sources.imports, "from collections.abc import Callable"),
        seed=PLAIN_SEED,
        model=sources.model,
        data=(f"{splits} = {sources.data}",),
        criterion=sources.step or sources.loss,
        metrics={name: function.__name__ for name, function in task.metrics.items()},
    )


def _loaded(task: Task, reference: str) -> TaskText:
    where, _, name = reference.rpartition(":")
    is_file = where.endswith(".py")
    path = Path(where) if is_file else Path(str(sys.modules[where].__file__))
    modules, measures, others = ravine_names(path.read_text(encoding="utf-8"))
    functions = [function for key, function in vars(metrics).items() if key in measures]
    functions = with_needed(functions)
    public = ", ".join(f"{f.__name__}={f.__name__}" for f in functions if not f.__name__.startswith("_"))
    register = [f'    sys.modules["{m}"] = ravine{".metrics" if m.endswith(".metrics") else ""}' for m in modules]
    register += [f"    ravine.{other} = None  # imported there, not needed here" for other in others]
    load = LOAD_FILE.format(folder=literal(str(path.parent)), path=literal(str(path))) if is_file else _load_module(where, path)
    stand_in = STAND_IN.format(
        kind="file" if is_file else "module",
        metrics=f"SimpleNamespace({public})",
        register="\n".join(register),
        load=load,
        name=name,
        task="task if isinstance(task, Task) else task()",
    )
    data, needs_reading = _data_lines(task)
    return TaskText(
        sections=(SEED_EVERYTHING, *([AS_TENSORS] if needs_reading else []), *map(_without_checks, functions), stand_in),
        imports=(*IMPORTS, "from collections.abc import Callable"),
        seed=FULL_SEED,
        model="task.model()",
        data=data,
        criterion="task.step" if task.step is not None else "task.loss",
        metrics="task.metrics" if task.metrics else {},
    )


def _load_module(name: str, path: Path) -> str:
    depth = len(name.split(".")) + (path.name == "__init__.py")
    root = path.parents[depth - 1]
    line = f"    module = importlib.import_module({literal(name)})"
    # An installed package is found without help; one in the current folder was found because the race ran there.
    return line if "site-packages" in root.parts else f"    sys.path.insert(0, {literal(str(root))})\n{line}"


def _without_checks(function: Callable[..., Any]) -> str:
    """The source of a metric without what ties it to ravine's other files: an argument check and a type variable."""
    return re.sub(r"    count\(.*\)\n", "", source(function)).replace("_Function", "Callable")


def _data_lines(task: Task) -> tuple[tuple[str, ...], bool]:
    """Lines that bind `train` and `validation`, and whether something must be turned into tensors first."""
    if task.load is not None:
        lines, given, needs_reading = [FULL_SEED.format(seed=0), "train, validation, *_ = task.load()"], ("train", "validation"), True
    else:
        lines, given = [], ("task.train", "task.validation")
        needs_reading = not (_is_tensors(task.train) and _is_tensors(task.validation))
    if needs_reading:
        seeds = [derive("materialise", split) for split in ("train", "validation")]
        lines += [f"{name} = as_tensors({text}, {seed})" for name, text, seed in zip(("train", "validation"), given, seeds, strict=True)]
    else:
        lines += [f"train, validation = {', '.join(given)}"]
    return tuple(lines), needs_reading


def _is_tensors(data: object) -> bool:
    return isinstance(data, torch.Tensor | tuple | dict) and all(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(data))


def ravine_names(text: str) -> tuple[list[str], set[str], list[str]]:
    """What a task file asks of ravine.

    Returns:
        the modules it imports, "ravine" among them; names of metrics that occur in it; other names it imports.
    """
    public = {name for name, value in vars(metrics).items() if inspect.isfunction(value) and value.__module__ == metrics.__name__}
    modules, others = {"ravine"}, set()
    words = set(re.findall(r"\w+", text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names if alias.name.partition(".")[0] == "ravine"}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "ravine":
            modules.add(node.module)
            others |= {alias.name for alias in node.names} - public - {"Task", "metrics"}
    return sorted(modules), words & public, sorted(others)
