"""Scripts of tiny races, run where ravine cannot be imported, against what the records hold."""

import ast
import dataclasses
import json
import math
import re
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

import ravine
from ravine._api import Result, race
from ravine.base.errors import InputError, RecordError
from ravine.fleet import Choice, Fleet
from ravine.race.recipe import how_close, make_recipe
from ravine.records import open_record
from ravine.rules import registry
from ravine.tasks import Task, load
from records_fixture import write

CHAINS = ["adamw+clip+lookahead", "momentum+sam+clip_history", "muon+cautious"]
LABELLED = {"sophia_g"}
"""Rules for tasks whose target are class numbers."""

OPTIMIZERS = [name for name in registry.names() if name not in LABELLED] + CHAINS
LAYERED = [*sorted(LABELLED), "adamw+asam+ema", "shampoo+clip", "sophia_h"]
NARROWED = ["lion+agc", "schedule_free_adamw+clip", "muon", "prodigy"]

RACED = {"line": OPTIMIZERS, "layers": LAYERED, "narrows": NARROWED}
"""Races whose every optimiser gets a script."""

RUNNER = """
import contextlib, io, json, runpy, sys, traceback

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "ravine":
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Blocker())
results = {}
for name, path in json.load(sys.stdin).items():
    kept, paths, text = set(sys.modules), list(sys.path), io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            runpy.run_path(path, run_name="__main__")
    except BaseException:
        text.write(traceback.format_exc())
    for module in set(sys.modules) - kept:
        if module.startswith(("ravine", "task_file", "elsewhere")):
            del sys.modules[module]
    sys.path[:] = paths
    results[name] = text.getvalue()
print(json.dumps(results))
"""

NET = """
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, Dataset

import neighbour
import ravine

numbers = np.random.RandomState(1)
x, y = numbers.normal(size=(90, 6)).astype(np.float32), numbers.randint(0, 3, 90)


class Noisy(Dataset):
    def __len__(self):
        return 41

    def __getitem__(self, index):
        return torch.tensor(x[index]) + 0.1 * torch.randn(6), int(y[index])


def net():
    model = nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    with torch.no_grad():
        model[-1].bias.copy_(torch.tensor(np.random.normal(size=3), dtype=torch.float32))
    return model


task = ravine.Task(
    name='a "net" \\\\',
    model=net,
    train=DataLoader(TensorDataset(torch.tensor(x[:60]), torch.tensor(y[:60])), batch_size=16, shuffle=True),
    validation=Noisy(),
    loss=nn.CrossEntropyLoss(label_smoothing=neighbour.SMOOTHING),
    metrics={"accuracy": ravine.metrics.accuracy, "top 2": ravine.metrics.top(2)},
)
"""

STEPPED = """
import random
import torch
from ravine import Task, metrics, race
from ravine.tasks.metrics import mean_squared_error
from torch import nn


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(2, 4), nn.Linear(4, 1)
        self.unused = nn.Linear(1, 1)
        self.scale = random.random()

    def forward(self, batch):
        return self.b(torch.tanh(self.a(batch["x"]["left"]) * self.scale))


def step(model, batch):
    return nn.functional.mse_loss(model(batch), batch["y"])


def error(model, batch):
    return mean_squared_error(model(batch), batch["y"])


def splits():
    left = torch.randn(70, 2)
    whole = {"x": {"left": left}, "y": left.sum(1, keepdim=True)}
    return tuple({"x": {"left": left[a:b]}, "y": whole["y"][a:b]} for a, b in ((0, 40), (40, 55), (55, 70)))


def make_task():
    return Task("stepped", Two, load=splits, step=step, metrics={"error": error}, batch_size=9)


if __name__ == "__main__":
    race(make_task())
"""

NARROW = """
import torch
from ravine import Task
from torch import nn

x = torch.linspace(-1, 1, 40)[:, None]


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(1, 3, dtype=torch.bfloat16)

    def forward(self, x, z):
        return self.line(x.bfloat16()).float().sum(1, keepdim=True) + z


mine = Task("narrow", Sum, (x, x, 3 * x), (x + 0.01, x, 2 * x), nn.functional.mse_loss, test=(x, x, 3 * x), batch_size=None)
"""


class Instead:
    """A record that recommends another of its optimisers."""

    def __init__(self, record, optimizer):
        self.record = record
        self.meta = record.meta | {"recommendation": record.meta["recommendation"] | {"optimizer": optimizer}}

    def __getattr__(self, name):
        return getattr(self.record, name)


def idx(path, array):
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("recipes")


@pytest.fixture(scope="module")
def races(folder):
    """Name -> (record, task), races at one rate and of a few steps."""
    files = folder / "files"
    files.mkdir()
    (files / "net.py").write_text(NET)
    (files / "neighbour.py").write_text("SMOOTHING = 0.1\n")
    (files / "narrow.py").write_text(NARROW)
    (files / "words.txt").write_text("all the words that there are\n" * 40)
    modules = folder / "modules"
    modules.mkdir()
    (modules / "elsewhere.py").write_text(STEPPED)
    data = folder / ("long" * 10) / "data"
    data.mkdir(parents=True)
    for part, rows in (("train", 130), ("t10k", 30)):
        idx(data / f"{part}-images-idx3-ubyte", np.random.RandomState(0).randint(0, 256, (rows, 28, 28)))
        idx(data / f"{part}-labels-idx1-ubyte", np.arange(rows) % 10)
    plans = {
        "line": ("line:points=50", OPTIMIZERS, 0.03, "linear"),
        "curve": ("curve:two-bumps,width=7", "adam", 0.01, "linear"),
        "digits": ("digits", "adamw", 0.01, "cosine"),
        "quadratic": ("quadratic-deep", "momentum", 0.01, "constant"),
        "net": (f"{files}/net.py", "adamw", 0.02, "cosine"),
        "mnist": ("mnist", "adam", 0.001, "constant"),
        "stepped": ("elsewhere:make_task", "lion", 0.02, "linear"),
        "narrow": (f"{files}/narrow.py:mine", "adam", 0.1, "constant"),
        "layers": (f"{files}/net.py", LAYERED, 0.01, "cosine"),
        "narrows": (f"{files}/narrow.py:mine", NARROWED, 0.1, "constant"),
        "chars": (f"chars:{files}/words.txt,layers=1,heads=1,width=8,context=8", "adam", 0.01, "constant"),
        "pinn": ("pinn:points=16,width=4,boundary=20", "adam", 0.01, "constant"),
        "deep": ("deep:3,width=8,initialisation=orthogonal", "adam", 0.01, "constant"),
        "long": ("mnist-1d:examples=640", "adam", 0.003, "constant"),
    }
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAVINE_DATA", str(data))
        patch.chdir(modules)
        for index, (name, (task, optimizer, lr, schedule)) in enumerate(plans.items()):
            mode = "loop" if index % 2 else "stacked"
            patch.setattr(Fleet, "calibrate", lambda *_, mode=mode, **__: Choice(mode, 8 if mode == "stacked" else 1, "test"))
            path = folder / f"{index}.ravine"
            loaded = load(task)
            race(
                loaded,
                optimizers=[optimizer] if isinstance(optimizer, str) else optimizer,
                lrs=[lr],
                schedule=schedule,
                steps=6 if name in RACED else 12,
                seeds=1 if name in RACED else 2,
                race_seed=index,
                out=path,
            )
            found[name] = (path, loaded)
    return found


@pytest.fixture(scope="module")
def recipes(races):
    found = {}
    for name, (path, task) in races.items():
        with open_record(path) as record:
            for optimizer in RACED.get(name, ()):
                found[f"{name} {optimizer}"] = make_recipe(Instead(record, optimizer), task)
            if name not in RACED:
                found[name] = make_recipe(record, task)
    return found


def one_fleet():
    """`Fleet`, made once a task, for it runs the model to see what it does."""
    made = {}
    return lambda task, race_seed: made.setdefault((id(task), race_seed), Fleet(task, race_seed=race_seed))


@pytest.fixture(scope="module")
def scripts(recipes, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ravine.race.script.Fleet", one_fleet())
        codes = {name: recipe.code() for name, recipe in recipes.items()}
        patch.setattr("ravine.race.script.EVALUATION_BYTES", 1_000)
        codes["net in pieces"] = recipes["net"].code()
    paths = {name: folder / f"train_{re.sub('[^a-z]', '_', name)}.py" for name in codes}
    assert len(set(paths.values())) == len(paths)
    for name, path in paths.items():
        path.write_text(codes[name])
    return paths


@pytest.fixture(scope="module")
def printed(scripts, folder):
    """Name -> what its script prints, all of them in one process without ravine."""
    given = json.dumps({name: str(path) for name, path in scripts.items()})
    done = subprocess.run([sys.executable, "-c", RUNNER], input=given, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


NAMES = ["curve", "digits", "quadratic", "mnist", "chars", "pinn", "deep", "long", "net", "stepped", "narrow"]
NAMES += [f"{task} {name}" for task, names in RACED.items() for name in names]


def values_of(text):
    found = re.findall(r"^validation (.+) (\S+)   \(in the race: ", text, re.MULTILINE)
    return {metric: float(value) for metric, value in found}


@pytest.mark.parametrize("name", NAMES)
def test_the_script_reaches_the_race_s_validation_values(name, recipes, printed):
    assert values_of(printed[name]) == pytest.approx(recipes[name].raced, rel=1e-4), printed[name]
    assert printed[name].startswith("step      0   training loss ")


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)], "to about three digits (a bias right before a BatchNorm"),
        ([nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 1)], "up to rounding"),
        ([nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 1)], "up to rounding"),
        ([nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1)], "up to rounding"),
    ],
)
def test_a_script_promises_as_much_as_it_keeps(layers, words):
    pair = (torch.ones(8, 3), torch.ones(8, 1))
    task = Task("layers", lambda: nn.Sequential(*layers), pair, pair, nn.functional.mse_loss)
    assert how_close(task).startswith(words)
    assert how_close(None) == "up to rounding"


def test_the_values_are_the_records(races, recipes):
    path, _ = races["net"]
    with open_record(path) as record:
        (lane,) = [lane for lane in record.lanes(stage="final") if lane.seed == 1]
        steps, values = record.curve(lane.lane, "validation", "loss")
    assert steps.tolist() == [12]
    assert recipes["net"].raced["loss"] == values[-1]
    assert set(recipes["net"].raced) == {"loss", "accuracy", "top 2"}
    assert (recipes["net"].lr, recipes["net"].seed, recipes["net"].steps, recipes["net"].batch_size) == (0.02, 1, 12, 16)


def test_the_scripts_are_formatted_and_sorted_and_do_not_name_ravine_s_package(scripts):
    for command in (["format", "--check", "--diff"], ["check", "--select", "E,F,W,I,B,UP", "--ignore", "B905"]):
        options = ["--isolated", "--no-cache", "--line-length", "140", "--target-version", "py311"]
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options, *map(str, scripts.values())], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for path in scripts.values():
        assert not re.search(r"^\s*(import|from) ravine", path.read_text(), re.MULTILINE)


def test_no_two_definitions_of_a_script_share_a_name(scripts):
    for name, path in scripts.items():
        tree = ast.parse(path.read_text()).body
        names = [node.name for node in tree if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        names += [target.id for node in tree if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)]
        names += [alias.asname or alias.name for node in tree if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
        assert len(names) == len(set(names)), name


def test_only_what_the_task_needs_is_there(scripts):
    texts = {name: path.read_text() for name, path in scripts.items()}
    assert [name for name, text in texts.items() if "DROPOUT_SEED" in text and "layers" not in name] == ["net", "net in pieces"]
    assert [name for name, text in texts.items() if "SPLIT_SEED" in text and "layers" not in name] == ["net", "net in pieces"]
    assert [name for name, text in texts.items() if "ORDER_SEED" not in text and "narrows" not in name] == ["curve", "narrow", "pinn"]
    assert {name for name, text in texts.items() if "def curvature" in text} == {"line sophia_h", "layers sophia_g", "layers sophia_h"}
    assert {name for name, text in texts.items() if "optimizer.uphill" in text} == {
        "line momentum+sam+clip_history",
        "layers adamw+asam+ema",
    }
    averaging = {"line schedule_free_sgd", "line schedule_free_adamw", "layers adamw+asam+ema", "narrows schedule_free_adamw+clip"}
    assert {name for name, text in texts.items() if "optimizer.average()" in text} == averaging
    assert "def scalars" not in texts["line adam"]
    assert "def scalars" in texts["line lion"]


def test_the_result_and_the_record_alone_give_the_same_script(races, recipes):
    path, task = races["digits"]
    assert Result(path, task).recipe().code() == recipes["digits"].code()
    with open_record(path) as record:
        assert make_recipe(record).code() == recipes["digits"].code()


def test_an_evaluation_that_is_too_large_at_once_goes_in_pieces(scripts, printed, recipes):
    assert "Counter()" in scripts["net in pieces"].read_text()
    assert "Counter()" not in scripts["net"].read_text()
    assert values_of(printed["net in pieces"]) == pytest.approx(recipes["net"].raced, rel=1e-4)


def test_a_task_made_in_python_has_a_recipe_but_no_script(tmp_path, monkeypatch):
    monkeypatch.setattr(Fleet, "calibrate", lambda *_, **__: Choice("loop", 1, "test"))
    pair = (torch.zeros(8, 1), torch.ones(8, 1))
    task = ravine.Task("mine", lambda: torch.nn.Linear(1, 1), pair, pair, torch.nn.functional.mse_loss)
    result = race(task, optimizers=["sgd"], lrs=[0.1], steps=3, seeds=1, out=tmp_path / "r.ravine")
    recipe = result.recipe()
    assert (recipe.optimizer, recipe.lr) == ("sgd", 0.1)
    for given in (recipe, Result(result.path).recipe()):
        with pytest.raises(InputError, match=r"made in Python.*into a file of its own.*race 'path/to/file.py'"):
            given.code()
    changed = dataclasses.replace(load("line"), model=lambda: torch.nn.Linear(1, 1))
    with pytest.raises(InputError, match="made in Python"):
        dataclasses.replace(recipe, task=changed).code()


def test_no_recipe_without_a_recommendation(tmp_path):
    write(tmp_path / "interrupted.ravine", status="interrupted")
    write(tmp_path / "shared.ravine", shared_lr=0.1)
    write(tmp_path / "lost.ravine", optimizers=("wild",))
    expected = {"interrupted": "interrupted, not done.*--resume", "shared": r"shared rate 0\.1.*--shared-lr", "lost": "diverged.*--lrs"}
    for name, message in expected.items():
        with open_record(tmp_path / f"{name}.ravine") as record, pytest.raises(RecordError, match=message):
            make_recipe(record)


def test_a_name_raced_against_itself_and_a_diverged_first_seed(races, tmp_path):
    import shutil
    import sqlite3

    path = tmp_path / "edited.ravine"
    shutil.copy(races["digits"][0], path)
    with sqlite3.connect(path) as connection:
        for table in ("lanes", "ranking"):
            connection.execute(f"UPDATE {table} SET optimizer = 'adamw#2'")
        chosen = json.loads(connection.execute("SELECT value FROM meta WHERE key = 'recommendation'").fetchone()[0])
        connection.execute("UPDATE meta SET value = ? WHERE key = 'recommendation'", [json.dumps(chosen | {"optimizer": "adamw#2"})])
        connection.execute("UPDATE lanes SET status = 'diverged', diverged_at = 3 WHERE stage = 'final' AND seed = 1")
    connection.close()
    with open_record(path) as record:
        recipe = make_recipe(record)
    assert (recipe.optimizer, recipe.seed) == ("adamw", 2)
    assert math.isfinite(recipe.raced["loss"])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE lanes SET status = 'diverged' WHERE stage = 'final'")
    connection.close()
    with open_record(path) as record, pytest.raises(RecordError, match="damaged: no lane of the final is 'adamw#2'"):
        make_recipe(record)


def test_the_heading_says_what_the_race_found(recipes):
    rows = [line for line in recipes["narrows muon"].code().splitlines() if "lr=0.1   " in line]
    assert len({line.index("lr=") for line in rows}) == 1 < len(rows)
    text = textwrap.dedent(recipes["digits"].code().split('"""')[1])
    assert "Trains digits with adamw at lr=0.01 on the cosine schedule" in text
    assert "12 steps of 64 rows; 2 fresh seeds; mean loss on test" in text
    assert "    adamw        lr=0.01" in text
    assert "not tuned" in text
    assert "half of validation" in " ".join(recipes["net"].heading)
