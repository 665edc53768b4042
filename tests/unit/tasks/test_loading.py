"""Built-in names, files and modules; every way in which they can be wrong."""

import random
import re
import sys
import traceback

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ravine.base.errors import InputError, RavineError, TaskError, UnknownNameError
from ravine.tasks import load

MAKE = """
import torch
from torch import nn
from ravine.tasks import Task

def made(name="mine"):
    pair = (torch.zeros(4, 2), torch.zeros(4, 1))
    return Task(name, lambda: nn.Linear(2, 1), pair, pair, nn.functional.mse_loss)
"""


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    modules = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in sys.modules[name].__file__:
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.py", make=True):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((MAKE if make else "") + text)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("text", "name", "reference"),
    [
        ("digits", "digits", "digits"),
        ("  line ", "line", "line"),
        ("line:noise=0.5", "line", "line:noise=0.5"),
        ("curve:two-bumps", "curve:two-bumps", "curve:two-bumps"),
        ("curve:sawtooth,width=64", "curve:sawtooth", "curve:sawtooth,width=64"),
        ("curve:sine", "curve:sine", "curve"),
        ("curve:width=8", "curve:sine", "curve:width=8"),
    ],
)
def test_built_in_names(text, name, reference):
    task = load(text)
    assert (task.name, task.reference) == (name, reference)
    assert load(task.reference).reference == reference


@pytest.mark.parametrize(
    ("text", "asked", "found"),
    [
        ("task = made()", "", "task"),
        ("def task(): return made()", "", "task"),
        ("anything = made()", "", "anything"),
        ("one = two = made()", "", "one"),
        ("def make_task(): return made()", "", "make_task"),
        ("task = made('no'); other = made()", ":other", "other"),
        ("task = made('no')\ndef other(): return made()", ":other", "other"),
    ],
)
def test_which_object_of_a_file(write, text, asked, found):
    path = write(text)
    task = load(path + asked)
    assert task.name == "mine"
    assert task.reference == f"{path}:{found}"
    assert load(task.reference).name == "mine"


def test_a_relative_path_becomes_absolute(write, tmp_path):
    write("task = made()", "sub/mine.py")
    assert load("sub/mine.py").reference == f"{tmp_path}/sub/mine.py:task"


def test_a_file_imports_its_neighbours_when_it_loads_and_when_its_functions_run(write):
    write("width = 2", "sizes_of_mine.py", make=False)
    write("bias = False", "later_of_mine.py", make=False)
    path = write(
        "import sizes_of_mine\n"
        "def build():\n"
        "    import later_of_mine\n"
        "    return nn.Linear(sizes_of_mine.width, 1, bias=later_of_mine.bias)\n"
        "import dataclasses\ntask = dataclasses.replace(made(), model=build)"
    )
    before = list(sys.path)
    task = load(path)
    assert sys.path[: len(before)] == before  # a neighbour cannot shadow what ravine imports later
    assert task.build(0).bias is None
    load(path)
    assert sys.path.count(str(path.rpartition("/")[0])) == 1


def test_two_folders_may_hold_neighbours_and_files_of_the_same_names(write):
    for folder in ("a", "b"):
        write(f"name = {folder!r}", f"{folder}/name_of_task.py", make=False)
        write("import name_of_task\ntask = made(name_of_task.name)", f"{folder}/task.py")
    before = set(sys.modules)
    first, second = load("a/task.py"), load("b/task.py")
    assert (first.name, second.name) == ("a", "b")
    modules = [name for name in sys.modules.keys() - before if name.startswith("ravine_task_task_")]
    assert len(modules) == 2  # both stay, so that pickle and dataclasses find each one's classes


def test_an_edited_file_and_an_edited_neighbour_are_read_anew(write):
    write("name = 'old'", "name_of_task.py", make=False)
    path = write("import name_of_task\ntask = made(name_of_task.name)")
    assert load(path).name == "old"
    write("name = 'brand-new'", "name_of_task.py", make=False)
    assert load(path).name == "brand-new"


def test_what_was_imported_before_is_left_alone(write):
    write("value = 1", "kept_by_user.py", make=False)
    sys.path.insert(0, ".")
    import kept_by_user

    path = write("import kept_by_user\ntask = made()")
    load(path)
    load(path)
    assert sys.modules["kept_by_user"] is kept_by_user


def test_a_class_of_the_file_knows_its_module(write):
    path = write("import dataclasses\n@dataclasses.dataclass\nclass Net(nn.Module):\n    width: 'int' = 1\ntask = made()")
    assert load(path).name == "mine"


def test_a_module_and_its_object(write, tmp_path):
    write("", "package_of_mine/__init__.py", make=False)
    write("task = made()\ndef other(): return made('other')", "package_of_mine/tasks.py")
    task = load("package_of_mine.tasks:task")
    assert task.reference == "package_of_mine.tasks:task"
    assert load("package_of_mine.tasks:other").name == "other"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = made(); b = made()", "mine.py holds several tasks: a, b. Name one: "),
        ("x = 1", "mine.py holds no task. Define task = ravine.Task(...)"),
        ("task = 3", "mine.py:task is of type int: must be a ravine.Task"),
        ("def task(): return 3", "mine.py:task is of type int: must be a ravine.Task"),
        ("task = nn.Linear", "mine.py:task is of type type: must be a ravine.Task"),
        ("def task(n): return made()", "mine.py:task() raised TypeError: task() missing 1 required positional argument"),
        ("def task():\n    raise ValueError('no luck')", "mine.py:task() raised ValueError at line 10 of "),
        ("raise ValueError('no luck')", "mine.py raised ValueError at line 9 of "),
        ("x = (", "mine.py cannot be read: '(' was never closed (line 9 of "),
        ("import sys; sys.exit(3)", "mine.py ends the program while it loads. Put what runs it under: if __name__"),
        ("import no_such_module_here", "mine.py raised ModuleNotFoundError at line 9 of "),
    ],
)
def test_files_that_give_no_task(write, text, sentence):
    with pytest.raises(TaskError, match=re.escape(sentence)) as caught:
        load(write(text))
    assert "\n" not in str(caught.value)


def test_the_traceback_is_the_users_own(write):
    path = write("def deep():\n    raise ValueError('no luck')\ndeep()")
    with pytest.raises(TaskError, match=r"no luck\.$") as caught:
        load(path)
    text = "".join(traceback.format_exception(caught.value.__cause__))
    assert re.findall(r'File "(.+?)", line (\d+)', text) == [(path, "11"), (path, "10")]
    assert text.endswith("ValueError: no luck\n")


def test_a_failed_file_leaves_nothing_behind(write):
    before = set(sys.modules)
    with pytest.raises(TaskError):
        load(write("1 / 0"))
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("digit", UnknownNameError, "no task is called 'digit'; did you mean 'digits'?"),
        ("curv:sine", UnknownNameError, "no task is called 'curv'; did you mean 'curve'? There is no module 'curv' here either."),
        ("zzz.yyy:qqq", UnknownNameError, "There is no module 'zzz' here either."),
        ("digits:3", InputError, "'3' in digits:3: must be key=value; the options are: none."),
        ("no/such/file.py", TaskError, "the task file 'no/such/file.py' does not exist"),
        ("some/folder", TaskError, "'some/folder' is no Python file"),
        ("", UnknownNameError, "no task is called ''"),
        (None, InputError, "task=None: must be a text such as 'digits'"),
        (["digits"], InputError, "task=['digits']: must be a text"),
    ],
)
def test_texts_that_name_nothing(text, kind, sentence):
    with pytest.raises(kind, match=re.escape(sentence)):
        load(text)


def test_near_misses_are_offered(write, tmp_path):
    path = write("first = made(); second = made()")
    with pytest.raises(UnknownNameError, match="is called 'frist'; did you mean 'first'"):
        load(f"{path}:frist")
    with pytest.raises(TaskError, match=r"does not exist.+Did you mean '.+/mine\.py'"):
        load(str(tmp_path / "mien.py"))
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(TaskError, match="is a folder"):
        load("folder.py")


def test_a_module_that_exists_but_misses_one_of_its_own_imports(write):
    write("import no_such_module_here", "half_of_mine.py")
    with pytest.raises(TaskError, match="half_of_mine raised ModuleNotFoundError at line 9"):
        load("half_of_mine:task")


@given(st.text(max_size=20).filter(lambda text: text.strip().partition(":")[0] not in ("digits", "line", "curve", "mnist")))
def test_odd_texts_never_end_in_a_raw_error(text):
    with pytest.raises(RavineError):
        load(text + "?")


def test_loading_touches_no_random_stream(write):
    before = torch.get_rng_state()
    load(write("task = made()")).check()
    assert torch.equal(before, torch.get_rng_state())


DRAWS = """
import random
import numpy as np
noise = [float(torch.rand(())), float(np.random.rand()), random.random()]

def make_task():
    task = made(repr((noise, torch.rand(()).item(), np.random.rand(), random.random())))
    return task
"""


def streams():
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002


def test_a_file_without_seeds_draws_the_same_at_every_load_and_nothing_from_the_caller(write, monkeypatch, tmp_path):
    path = write(DRAWS)
    before = streams()
    first = load(path)
    assert streams() == before
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        assert load(path).name == first.name
    random.setstate(before[2])
    write(DRAWS, name="unseeded_module.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load("unseeded_module:make_task").name == first.name
