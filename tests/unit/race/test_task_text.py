import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ravine.base._seeds import derive
from ravine.base.errors import InputError
from ravine.race._source_text import import_block
from ravine.race._task_text import ACCURACY, AS_TENSORS, IMPORTS, SEED_EVERYTHING, is_own_source, ravine_names, task_text
from ravine.tasks import create, load, metrics, names
from ravine.tasks.splits import materialise

X, Y = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 4


class Items:
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return {"x": X[index] + torch.rand(3), "n": np.random.random()}  # noqa: NPY002 - the stream that the seed must reach


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        {"x": X, "y": {"z": Y}},
        X,
        [X, Y.numpy()],
        (X.numpy(), Y.numpy()),
        TensorDataset(X, Y),
        DataLoader(TensorDataset(X, Y), batch_size=4, shuffle=True),
        DataLoader(Items(), batch_size=4, collate_fn=lambda items: torch.stack([item["x"] for item in items])),
        Items(),
        [(row, 1) for row in X],
    ],
)
def test_the_script_reads_data_as_the_race_does(data):
    namespace = {}
    text = f"{SEED_EVERYTHING}\n\n\n{AS_TENSORS}"
    exec(import_block(IMPORTS, text) + "\n\n\n" + text, namespace)
    expected = materialise(data, "train")
    found = namespace["as_tensors"](data, derive("materialise", "train"))
    leaves, structure = torch.utils._pytree.tree_flatten(found)
    wanted, same = torch.utils._pytree.tree_flatten(expected)
    assert structure == same
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(leaves, wanted, strict=True))


def test_the_short_accuracy_is_the_accuracy():
    namespace = {}
    exec(ACCURACY, namespace)
    output = torch.randn(12, 4, generator=torch.Generator().manual_seed(1))
    assert namespace["accuracy"](output, Y) == metrics.accuracy(output, Y)
    assert 0 < float(metrics.accuracy(output, Y)) < 1


@pytest.mark.parametrize("name", names())
def test_every_built_in_is_pasted_whatever_reference_it_has(name):
    task = create(name)
    assert is_own_source(task)
    assert is_own_source(dataclasses.replace(task, batch_size=7).referred("some/file.py:task"))


def test_a_changed_built_in_is_not_taken_for_itself():
    task = load("digits")
    pair = (torch.zeros(4, 64), torch.zeros(4, dtype=torch.int64))
    changes = [
        {"model": lambda: nn.Linear(64, 10)},
        {"loss": nn.functional.multi_margin_loss},
        {"load": None, "train": pair, "validation": pair},
        {"metrics": {"mine": lambda output, target: output.mean()}},
        {"sources": None},
    ]
    for change in changes:
        assert not is_own_source(dataclasses.replace(task, **change))
    with pytest.raises(InputError, match="'digits' was made in Python"):
        task_text(dataclasses.replace(task, **changes[0]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import ravine\nravine.metrics.accuracy", (["ravine"], {"accuracy"}, [])),
        ("from ravine import Task, race, metrics", (["ravine"], set(), ["race"])),
        ("from ravine.tasks.metrics import top", (["ravine", "ravine.tasks.metrics"], {"top"}, [])),
        ("import ravine.tasks\nfrom .here import x\nimport other", (["ravine", "ravine.tasks"], set(), [])),
    ],
)
def test_what_a_file_asks_of_ravine(text, expected):
    assert ravine_names(text) == expected


def test_a_module_is_found_where_the_race_found_it(tmp_path, monkeypatch):
    package = tmp_path / "recipe_package"
    package.mkdir()
    source = "import torch, ravine\npair = (torch.zeros(4, 1), torch.zeros(4, 1))\n"
    source += "own = ravine.Task('own', lambda: torch.nn.Linear(1, 1), pair, pair, torch.nn.functional.mse_loss)\n"
    (package / "__init__.py").write_text(source)
    (package / "inner.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    for module in ("recipe_package", "recipe_package.inner"):
        text = "\n".join(task_text(load(f"{module}:own")).sections)
        assert f'sys.path.insert(0, "{tmp_path}")' in text
        assert f'importlib.import_module("{module}")' in text


def test_plain_tensors_are_taken_as_they_are(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "import torch, ravine\npair = (torch.zeros(4, 1), torch.zeros(4, 1))\n"
        "task = ravine.Task('own', lambda: torch.nn.Linear(1, 1), pair, pair, torch.nn.functional.mse_loss)\n"
    )
    text = task_text(load(str(file)))
    assert text.data == ("train, validation = task.train, task.validation",)
    assert "as_tensors" not in "\n".join(text.sections)
