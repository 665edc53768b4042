"""Every way in which a task's parts do not fit has its own sentence."""

import itertools
import re

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ravine.base.errors import DataError, TaskError
from ravine.tasks import Task, metrics

X, Y = torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), torch.arange(10) % 2
PAIR = (X, Y)


def task(**changes):
    parts = {"name": "t", "model": lambda: nn.Linear(3, 2), "train": PAIR, "validation": PAIR, "loss": functional.cross_entropy} | changes
    return Task(**parts)


class Irreversible(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        raise NotImplementedError("one way only")


class Pairing(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)

    def forward(self, x):
        return None, super().forward(x)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "name='': must be a text"),
        (
            {"model": nn.Linear(3, 2)},
            "model is a Linear, but every seed needs a new one. Give a function that builds it: lambda: Linear(...)",
        ),
        ({"model": 3}, "model is of type int: must be a function"),
        ({"notes": "words"}, "notes='words': must be a dictionary of texts, numbers, lists and dictionaries. Convert them."),
        ({"notes": {"a": torch.ones(1)}}, "notes cannot be written as JSON (Object of type Tensor is not JSON serializable): must be a"),
        ({"loss": None}, "neither loss nor step was given"),
        ({"step": lambda model, batch: 0}, "both loss and step were given"),
        ({"loss": nn.CrossEntropyLoss}, "Give an instance: CrossEntropyLoss()"),
        ({"loss": "mse"}, "loss='mse' cannot be called on a batch"),
        ({"loss": nn.CrossEntropyLoss(reduction="sum")}, "the loss CrossEntropyLoss sums over rows"),
        ({"loss": Scaled()}, "the loss Scaled has parameters, which would not be trained"),
        ({"validation": None}, "validation is missing. Give train= and validation=, or load="),
        ({"load": lambda: (PAIR, PAIR)}, "load= gives all the splits, so train and validation cannot be given besides"),
    ],
)
def test_parts_that_contradict_each_other(changes, sentence):
    with pytest.raises(TaskError, match=re.escape(sentence)):
        task(**changes)


@pytest.mark.parametrize(
    ("validation", "sentence"),
    [
        ((X, X, Y), "validation and train are built differently (((10, 3) float32, (10, 3) float32, (10,) int64) and "),
        ({"x": X, "y": Y}, "validation and train are built differently ({x: (10, 3) float32, y: (10,) int64} and "),
        ((X.double(), Y), "validation holds torch.float64 where train holds torch.float32"),
    ],
)
def test_splits_of_different_structure(validation, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)):
        _ = task(validation=validation).data


SHARED = nn.Linear(3, 2)
GENERATOR, WIDTHS = torch.Generator().manual_seed(0), itertools.count(2)


def unseeded():
    module = nn.Linear(3, 2)
    module.bias.data = torch.randn(2, generator=GENERATOR)
    return module


def growing():
    return nn.Linear(3, next(WIDTHS))


class Detector(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)

    def forward(self, x):
        return super().forward(x) if self.training else [super().forward(x)]


class Checkpointed(nn.Module):
    def __init__(self, *, use_reentrant=True):
        super().__init__()
        self.first, self.second, self.reentrant = nn.Linear(3, 3), nn.Linear(3, 2), use_reentrant

    def forward(self, x):
        return checkpoint(self.second, self.first(x), use_reentrant=self.reentrant)


FLOATS = Y.float()


def with_target(y):
    return {"train": (X, y), "validation": (X, y)}


REGRESSION = {"model": lambda: nn.Linear(3, 1), "loss": functional.mse_loss}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": lambda: SHARED}, "task 't': model() returned the same module twice. Build a new one at every call."),
        ({"model": lambda: nn.Linear(4, 2)}, "task 't': the model Linear on ((10, 3) float32) raised RuntimeError: mat1 and mat2"),
        (
            {"train": (X.double(), Y), "validation": (X.double(), Y)},
            "Its parameters are torch.float32 and the input is torch.float64: convert",
        ),
        (with_target(FLOATS), "Class numbers must be torch.int64 and these are torch.float32: use target.long()."),
        (with_target(Y.int()), "Class numbers must be torch.int64 and these are torch.int32: use target.long()."),
        (with_target(Y + 5), "Class numbers must be 0 to 1 and these go from 5 to 6."),
        (
            REGRESSION | {"loss": functional.binary_cross_entropy_with_logits} | with_target(Y[:, None]),
            "The target must be of floating type and is torch.int64: use target.float().",
        ),
        (REGRESSION | with_target(FLOATS), "mse_loss got output (10, 1) and target (10,), which it would broadcast."),
        ({"loss": lambda output, target: output.sum(1)}, "returned a tensor of shape (10,): must be a scalar. Average it with .mean()."),
        ({"loss": lambda output, target: 1.0}, "returned float: must be a 0-d tensor. Leave out .item()"),
        ({"loss": lambda output, target: output.argmax()}, "returned a torch.int64 number: must be of floating type"),
        ({"loss": lambda output, target: output.detach().mean()}, "does not depend on the parameters, so it has no gradient"),
        ({"loss": lambda output, target: {}["key"]}, "raised KeyError: 'key'"),
        (
            {"loss": None, "step": lambda model, batch: model(batch)},
            "task 't': step(model, batch) on ((10, 3) float32, (10,) int64) raised TypeError",
        ),
        (
            {"loss": lambda output, target: Irreversible.apply(output).mean()},
            "task 't': differentiating the loss raised NotImplementedError: one way only.",
        ),
        ({"model": Pairing}, "the loss cross_entropy on output (NoneType, (10, 2) float32) and target (10,) int64 raised TypeError"),
        (
            {"train": (X, {"y": Y}), "validation": (X, {"y": Y})},
            "the loss cross_entropy on output (10, 2) float32 and target {y: (10,) int64} raised TypeError",
        ),
        ({"train": X, "validation": X}, "a batch is a Tensor: with loss= it must be a tuple"),
        ({"metrics": {"m": lambda output, target: 0.5}}, "the metric 'm' returned float: must be a 0-d tensor"),
        ({"metrics": {"m": lambda output, target: output}}, "the metric 'm' returned a tensor of shape (10, 2)"),
        ({"metrics": {"m": lambda output: output}}, "the metric 'm' raised TypeError"),
        ({"model": unseeded}, "task 't': model() gave another 'bias' when called again under the same seed. Draw it from the global"),
        ({"model": growing}, "task 't': model() gave another 'weight' when called again under the same seed: (2, 3) float32 and ("),
        ({"model": Detector}, "task 't', in evaluation mode: the loss cross_entropy on output ((10, 2) float32) and target (10,) int64"),
        (
            {
                "loss": None,
                "step": lambda model, batch: functional.cross_entropy(model(batch[0]), batch[1] if model.training else batch[2]),
            },
            "task 't', in evaluation mode: step(model, batch) on ((10, 3) float32, (10,) int64) raised IndexError",
        ),
        (
            {"loss": None, "step": lambda model, batch: model(batch[0]).mean() if model.training else 0.5},
            "task 't', in evaluation mode: <lambda> returned float: must be a 0-d tensor",
        ),
        (
            {"model": Checkpointed},
            "task 't': the model uses reentrant checkpoints, which only loss.backward() can go through. Pass use_reentrant=False",
        ),
    ],
)
def test_a_batch_that_does_not_go_through(changes, sentence):
    with pytest.raises(TaskError, match=re.escape(sentence)) as caught:
        task(**changes).check()
    assert "\n" not in str(caught.value)


def test_a_healthy_task_passes_and_nothing_of_it_changes():
    class Rude(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            x.mul_(0)
            return self.linear(self.drop(x))

    own = task(model=Rude, metrics={"accuracy": metrics.accuracy}, batch_size=None)
    kept, before = X.clone(), torch.get_rng_state()
    own.check()
    assert torch.equal(X, kept)
    assert torch.equal(before, torch.get_rng_state())


def test_it_works_where_the_caller_has_switched_gradients_off():
    with torch.no_grad():
        task().check()


def test_what_torch_raised_is_chained():
    with pytest.raises(TaskError) as caught:
        task(model=lambda: nn.Linear(4, 2)).check()
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_class_shares_and_sequences_are_fine():
    shares = torch.softmax(torch.randn(10, 2, generator=torch.Generator().manual_seed(0)), 1)
    task(**with_target(shares)).check()
    task(**REGRESSION, **with_target(FLOATS[:, None])).check()


def physics(model, batch):
    """A loss of the derivative with respect to the input."""
    x = batch[0].detach().requires_grad_()
    (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    return (slope - 1).square().mean()


def popped(model, batch):
    return functional.cross_entropy(model(batch["x"]), batch.pop("labels"))


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": None, "step": physics, "metrics": {"slope": physics}},
        {"model": lambda: Checkpointed(use_reentrant=False)},
        {"loss": None, "step": popped, "train": {"x": X, "labels": Y}, "validation": {"x": X, "labels": Y}, "metrics": {"again": popped}},
    ],
)
def test_models_and_steps_that_need_gradients_or_their_batch_to_themselves(changes):
    task(**changes).check()


def test_parameters_that_are_not_numbers_repeat_themselves_too():
    def model():
        module = nn.Linear(3, 2)
        module.register_buffer("unknown", torch.full((2,), torch.nan))
        return module

    task(model=model).check()
