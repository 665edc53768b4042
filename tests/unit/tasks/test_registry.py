import re
from pathlib import Path

import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.tasks import REGISTRY, Task, create, load, names
from ravine.tasks.registry import Option, get, parse_options


def test_names_summaries_and_options():
    assert names() == ("digits", "mnist", "fashion-mnist", "mnist-1d", "line", "curve", "quadratic-deep", "chars", "deep", "pinn")
    for name, builtin in REGISTRY.items():
        assert builtin.name == name
        assert builtin.summary
        assert "\n" not in builtin.summary
    assert [(option.name, option.default, option.kind) for option in get("line").options] == [("noise", 0.2, float), ("points", 100, int)]
    assert get("curve").options[0] == Option("target", "sine", str, ("sine", "step", "two-bumps", "sawtooth"))


@pytest.mark.parametrize("name", names())
def test_every_task_is_made_without_touching_its_data(name, monkeypatch, tmp_path):
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    task = create(name)
    assert isinstance(task, Task)
    assert "data" not in vars(task)
    assert task.reference == name
    assert task.sources is not None
    assert task.description


def test_options_as_values_and_as_text():
    for options in ({"noise": 0.5, "points": 30}, {"noise": "0.5", "points": "30"}):
        task = create("line", options)
        assert task.data.sizes["train"] == 30
        assert task.reference == "line:noise=0.5,points=30"
    assert create("line", {"noise": 0.2}).reference == "line"
    assert create("line", {"noise": 1}).reference == "line:noise=1.0"


def test_a_file_means_the_same_from_every_folder(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("words " * 500)
    monkeypatch.chdir(tmp_path)
    for given in ("a.txt", Path("a.txt"), tmp_path / "a.txt"):
        assert create("chars", {"text": given}).reference == f"chars:text={tmp_path}/a.txt"
    monkeypatch.chdir("/")
    assert load(f"chars:text={tmp_path}/a.txt").data.sizes["train"] == 2700 // 64


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("0.5", {"noise": "0.5"}),
        ("0.5,30", {"noise": "0.5", "points": "30"}),
        ("0.5, points = 30", {"noise": "0.5", "points": "30"}),
        ("points=30", {"points": "30"}),
    ],
)
def test_options_in_a_text(text, options):
    assert parse_options("line", text) == options


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("points=30,0.5", "'0.5' in line:points=30,0.5: must be key=value; the options are: noise=0.2, points=100."),
        ("1,2,3", "'3' in line:1,2,3: must be key=value"),
        ("1,noise=2", "line:1,noise=2: the option 'noise' is given twice."),
    ],
)
def test_options_that_cannot_be_told_apart(text, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        parse_options("line", text)


@pytest.mark.parametrize(
    ("name", "options", "kind", "sentence"),
    [
        ("digit", {}, UnknownNameError, "no task is called 'digit'; did you mean 'digits'?"),
        ("line", {"nois": 1}, UnknownNameError, "no option of 'line' is called 'nois'; did you mean 'noise'"),
        ("curve", {"target": "sinus"}, UnknownNameError, "no target of 'curve' is called 'sinus'; did you mean 'sine'"),
        ("curve", {"target": ["sine"]}, UnknownNameError, "no target of 'curve' is called"),
        ("digits", {"size": 3}, InputError, "size=3 for 'digits': this task has no options."),
        ("line", {"noise": "loud"}, InputError, "noise='loud' for 'line': must be a number, e.g. 0.2."),
        ("line", {"noise": "nan"}, InputError, "noise='nan' for 'line': must be a number"),
        ("line", {"noise": None}, InputError, "noise=None for 'line': must be a number"),
        ("line", {"noise": True}, InputError, "noise=True for 'line': must be a number"),
        ("line", {"noise": -1}, InputError, "noise=-1.0: must be at least 0"),
        ("line", {"points": 2.5}, InputError, "points=2.5 for 'line': must be a whole number, e.g. 100."),
        ("line", {"points": "1e3"}, InputError, "points='1e3' for 'line': must be a whole number"),
        ("line", {"points": "1"}, InputError, "points=1: must be a whole number, at least 2"),
        ("curve", {"width": "0"}, InputError, "width=0"),
        ("chars", {"text": ""}, InputError, "text='' for 'chars': must be the path of a file, or stdlib."),
        ("chars", {"text": 3}, InputError, "text=3 for 'chars': must be the path of a file, or stdlib."),
        ("chars", {"text": "a,b"}, InputError, "text='a,b' for 'chars': a comma ends an option. Give a file without one in its path."),
    ],
)
def test_unusable_options(name, options, kind, sentence):
    with pytest.raises(kind, match=re.escape(sentence)):
        create(name, options)
