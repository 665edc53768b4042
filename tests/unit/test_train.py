"""`ravine.train`: tasks by name, recipes by record, result or value."""

import inspect
import subprocess
import sys

import pytest
import torch

import ravine
from ravine.trainer import Options


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    options = {"steps": 20, "seeds": 2, "lrs": [0.01], "schedule": "cosine"}
    return ravine.race("digits", optimizers=["adamw"], out=tmp_path_factory.mktemp("race") / "digits.ravine", **options)


def script_weights(recipe, form, folder):
    """What the recipe's script ends with."""
    path = folder / f"{form}.pt"
    code = recipe.code(form=form)
    assert 'SAVE_TO = ""' in code
    with torch.random.fork_rng():
        exec(compile(code.replace('SAVE_TO = ""', f"SAVE_TO = {str(path)!r}"), form, "exec"), {"__name__": "__main__"})
    return torch.load(path, weights_only=True)


def test_a_recipe_has_the_bits_of_its_script(result, tmp_path):
    """Of the form with ravine's optimizers. torch's own classes round differently: agreement to rounding there."""
    trained = ravine.train("digits", result.recipe()).model.state_dict()
    ours, torchs = (script_weights(result.recipe(), form, tmp_path) for form in ("ravine", "torch"))
    for name, tensor in trained.items():
        assert torch.equal(tensor, ours[name])
        torch.testing.assert_close(tensor, torchs[name], rtol=1e-4, atol=1e-5)


def test_a_recipe_comes_as_value_result_or_path(result):
    one, other, third = (ravine.train("digits", recipe, steps=5) for recipe in (result.recipe(), result, str(result.path)))
    assert one.history == other.history == third.history
    assert one.history != ravine.train("digits", steps=5).history


@pytest.mark.slow  # a process of its own
def test_what_takes_seconds_to_import_is_left_alone(tmp_path):
    """torch's compiler, which the base class of its optimizers imports, and what draws figures."""
    code = f"import sys, ravine; ravine.train('line', steps=3, out={str(tmp_path)!r}); print([m for m in sys.argv[1:] if m in sys.modules])"
    command = [sys.executable, "-c", code, "torch._dynamo", "sympy", "matplotlib", "ravine.race"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_option_is_a_keyword():
    assert set(Options.__dataclass_fields__) < set(inspect.signature(ravine.train).parameters)


def test_a_task_of_ones_own(tmp_path):
    pair = torch.zeros(8, 2), torch.zeros(8, 1)
    task = ravine.Task("own", lambda: torch.nn.Linear(2, 1), pair, pair, torch.nn.functional.mse_loss)
    trained = ravine.train(task, epochs=3, out=tmp_path / "own")
    assert trained.step == 3
    assert trained.folder == tmp_path / "own"
    assert "test" not in trained.metrics
