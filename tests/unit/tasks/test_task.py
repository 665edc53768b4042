import copy
import dataclasses
import json
import pickle
import re
import struct
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from ravine.base.errors import DataError, TaskError, UnknownNameError
from ravine.tasks import Objective, Task, load, metrics

PAIR = (torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 2)


def model():
    return nn.Linear(3, 2)


def task(**changes):
    parts = {"name": "t", "model": model, "train": PAIR, "validation": PAIR, "loss": functional.cross_entropy} | changes
    return Task(**parts)


def test_the_promised_call_by_keywords():
    own = task(metrics={"accuracy": metrics.accuracy}, batch_size=4)
    assert own.steps_per_epoch == 2
    assert own.rows_per_step == 4
    assert own.data.sizes == {"train": 10, "validation": 10, "test": 0}
    own.check()


@pytest.mark.parametrize(("batch_size", "steps", "size"), [(None, 1, 10), (10, 1, 10), (64, 1, 10), (3, 3, 3), (1, 10, 1)])
def test_steps_of_an_epoch_are_full_batches(batch_size, steps, size):
    own = task(batch_size=batch_size)
    assert (own.steps_per_epoch, own.rows_per_step) == (steps, size)


def test_the_batch_size_is_the_loaders_unless_given():
    loader = DataLoader(TensorDataset(*PAIR), batch_size=5)
    assert task(train=loader).batch_size == 5
    assert task(train=loader, batch_size=64).batch_size == 64
    assert task(train=loader, batch_size=None).batch_size is None
    assert task().batch_size == 64


def test_the_seed_fixes_the_weights_and_the_callers_stream_is_untouched():
    own = task()
    before = torch.get_rng_state()
    weights = [own.build(seed).weight for seed in (7, 7, 8)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(before, torch.get_rng_state())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        assert torch.equal(weights[0], model().weight)


SHARED = nn.Linear(3, 3)


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, dtype=torch.complex64))


class Uncopyable(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.lock = SHARED, threading.Lock()


def headed():
    return nn.Sequential(SHARED, nn.Linear(3, 2))


def buffered():
    module = nn.Linear(3, 2)
    module.register_buffer("mean", STATISTICS)
    return module


STATISTICS = torch.zeros(3)


def late():
    """Shares from the second call on."""
    if not LATE:
        LATE.append(nn.Linear(3, 3))
        return nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    return nn.Sequential(LATE[0], nn.Linear(3, 2))


LATE = []


@pytest.mark.parametrize("factory", [headed, buffered, late])
def test_tensors_that_the_factorys_modules_share_are_copied(factory):
    own = task(model=factory)
    modules = [own.build(seed) for seed in (1, 2, 1)]
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            assert tensor.untyped_storage().data_ptr() not in {
                other.untyped_storage().data_ptr()
                for another in (*(one for one in modules if one is not module), SHARED)
                for other in (*another.parameters(), *another.buffers(), STATISTICS)
            }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        expected = factory()
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(modules[1].parameters(), expected.parameters(), strict=True))


def test_checking_leaves_no_gradient_on_what_the_user_holds():
    weight = nn.Parameter(torch.ones(()))
    task(model=headed, loss=lambda output, target: weight * functional.cross_entropy(output, target)).check()
    assert weight.grad is None
    assert SHARED.weight.grad is None


def test_modules_with_nothing_in_common_are_not_copied(monkeypatch):
    monkeypatch.setattr(copy, "deepcopy", lambda module: pytest.fail("copied"))
    task().build(0)


def test_complex_parameters_that_are_fixed_are_fine():
    module = nn.Linear(3, 2)
    module.phase = nn.Parameter(torch.ones(2, dtype=torch.complex64), requires_grad=False)
    assert task(model=lambda: copy.deepcopy(module)).build(0) is not module


def frozen():
    return nn.Linear(2, 2).requires_grad_(False)


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (lambda: 1 / 0, "task 't': building the model raised ZeroDivisionError: division by zero"),
        (lambda: 3, "task 't': model() returned int: must be a torch.nn.Module"),
        (nn.ReLU, "task 't': the ReLU has no parameters that require gradients"),
        (frozen, "task 't': the Linear has no parameters that require gradients"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), "task 't': model() returned a Sequential with lazy parameters"),
        (Complex, "task 't': the parameter 'weight' is torch.complex64: must be real"),
        (lambda: SHARED, "task 't': model() returned the same module twice. Build a new one at every call."),
        (Uncopyable, "task 't': every Uncopyable of model() shares tensors with the one before, and copying it raised TypeError"),
    ],
)
def test_factories_that_build_nothing_trainable(factory, sentence):
    with pytest.raises(TaskError, match=re.escape(sentence)):
        task(model=factory).build(0)


def test_what_the_factory_raised_is_chained():
    with pytest.raises(TaskError) as caught:
        task(model=lambda: {}["width"]).build(0)
    assert isinstance(caught.value.__cause__, KeyError)


def test_data_is_read_at_the_first_call_and_once():
    calls = []

    def load():
        calls.append(torch.rand(1))
        return PAIR, PAIR, PAIR

    own = task(train=None, validation=None, load=load)
    assert not calls
    before = torch.get_rng_state()
    assert own.data.sizes == {"train": 10, "validation": 10, "test": 10}
    assert own.data is own.data
    assert len(calls) == 1
    assert torch.equal(before, torch.get_rng_state())
    assert task(train=None, validation=None, load=lambda: (PAIR, PAIR)).data.test is None


@pytest.mark.parametrize(
    ("load", "kind", "sentence"),
    [
        (lambda: 1 / 0, TaskError, "task 't': loading its data raised ZeroDivisionError"),
        (lambda: PAIR[0], TaskError, "task 't': load() returned Tensor: must be the tuple"),
        (lambda: (PAIR,), TaskError, "task 't': load() returned a tuple of 1"),
        (lambda: (PAIR, (PAIR[0], PAIR[1][:3])), DataError, "validation[0] has 10 rows, validation[1] has 3 rows"),
    ],
)
def test_loading_that_fails(load, kind, sentence):
    with pytest.raises(kind, match=re.escape(sentence)):
        _ = task(train=None, validation=None, load=load).data


def test_metrics_and_what_ranks():
    own = task(metrics={"accuracy": metrics.accuracy, "error": metrics.lower_is_better(lambda o, t: o.sum())}, rank_by="accuracy")
    assert [own.higher_is_better(name) for name in ("loss", "accuracy", "error")] == [False, True, False]
    with pytest.raises(UnknownNameError, match="no metric is called 'acuracy'; did you mean 'accuracy'"):
        own.higher_is_better("acuracy")
    with pytest.raises(UnknownNameError, match="no metric is called 'acc'; did you mean 'accuracy'"):
        task(metrics={"accuracy": metrics.accuracy}, rank_by="acc")
    with pytest.raises(TaskError, match="'loss' is always recorded"):
        task(metrics={"loss": metrics.accuracy})


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "64"])
def test_unusable_batch_sizes(size):
    with pytest.raises(ValueError, match="batch_size="):
        task(batch_size=size)


def test_describe_is_json():
    described = task(metrics={"accuracy": metrics.accuracy}, test=PAIR, description="d").referred("x.py:t").describe()
    assert json.loads(json.dumps(described)) == {
        "name": "t",
        "description": "d",
        "parameters": 8,
        "train": 10,
        "validation": 10,
        "test": 10,
        "batch_size": 10,
        "steps_per_epoch": 1,
        "loss": "cross_entropy",
        "metrics": ["accuracy"],
        "rank_by": "loss",
        "higher_is_better": False,
        "reference": "x.py:t",
    }
    assert task(loss=nn.CrossEntropyLoss()).describe()["loss"] == "CrossEntropyLoss"
    assert task(loss=None, step=lambda m, b: m(b[0]).mean()).describe()["loss"] == "step"


def test_the_baseline_is_of_the_training_targets():
    assert task().baseline_loss() == pytest.approx(0.6931471805599453)
    assert task(loss=None, step=lambda m, b: m(b[0]).mean()).baseline_loss() is None


def test_a_task_is_frozen_and_copies_are_itself_and_it_travels():
    own = task(metrics={"accuracy": metrics.accuracy})
    with pytest.raises(dataclasses.FrozenInstanceError):
        own.name = "other"
    with pytest.raises(TypeError):
        own.metrics["new"] = metrics.accuracy
    assert copy.deepcopy(own) is own
    again = pickle.loads(pickle.dumps(own))
    assert torch.equal(again.build(3).weight, own.build(3).weight)
    assert again.metrics["accuracy"] is metrics.accuracy
    assert torch.equal(again.data.train[0], PAIR[0])
    assert repr(own) == "Task('t')"
    assert dataclasses.replace(own, name="u").metrics == own.metrics


TINY = "chars:words.txt,layers=1,heads=1,width=8,context=8"


@pytest.mark.parametrize("text", ["digits", "line:noise=0.5", "curve:two-bumps,width=8", "quadratic-deep", "mnist", "mnist:cnn", TINY])
def test_a_built_in_stands_alone_as_source_text(text, monkeypatch, tmp_path):
    (tmp_path / "words.txt").write_text("all the words that there are\n" * 20)
    monkeypatch.chdir(tmp_path)
    if text.startswith("mnist"):
        write_small_mnist(tmp_path / "mnist")
        monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    own = load(text)
    source = own.sources.text()
    assert "ravine" not in source
    assert "noqa" not in source
    assert "type: ignore" not in source
    space = {}
    exec(compile(source, "script", "exec"), space)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        standalone = eval(own.sources.model, space)
    built = own.build(3)
    assert [name for name, _ in standalone.named_parameters()] == [name for name, _ in built.named_parameters()]
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(built.parameters(), standalone.parameters(), strict=True))
    splits = eval(own.sources.data, space)
    for ours, theirs in zip((own.data.train, own.data.validation, own.data.test), splits, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    batch = own.data.validation
    if own.sources.step:
        value = eval(own.sources.step, space)(standalone, batch)
    else:
        value = eval(own.sources.loss, space)(standalone(batch[0]), batch[1])
    assert torch.equal(value, Objective(built, own)(batch))


def write_small_mnist(folder):
    folder.mkdir()
    for kind, count in (("train", 24), ("t10k", 10)):
        pixels = bytes(k % 251 for k in range(count * 784))
        labels = bytes(k % 10 for k in range(count))
        (folder / f"{kind}-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28) + pixels)
        (folder / f"{kind}-labels-idx1-ubyte").write_bytes(struct.pack(">4B1I", 0, 0, 8, 1, count) + labels)
