"""What a user brings: a model factory, data, a loss and metrics."""

import copy
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ravine.base._checks import count, unknown_name
from ravine.base.errors import RavineError, TaskError
from ravine.tasks import checking
from ravine.tasks._randomness import isolated
from ravine.tasks.baseline import baseline_loss
from ravine.tasks.hints import factory_hint, name_of
from ravine.tasks.splits import Splits, Tree, first_line, loader_batch_size, materialise, rows

Metric: TypeAlias = Callable[[Any, Any], torch.Tensor]
"""`(output, target) -> mean scalar`, or `(model, batch) -> mean scalar` in a task with `step`."""


class _Unset:
    """Stands for a batch size that was not given, so that a DataLoader's own can take its place."""

    def __repr__(self) -> str:
        return "64, or the DataLoader's"


_UNSET: Any = _Unset()

IMPORTS = ("import numpy as np", "import torch", "import torch.nn.functional as F", "from torch import nn")
"""What the source text of a task may use without saying so."""


@dataclass(frozen=True)
class Sources:
    """A task as source text, for a script that does not import ravine.

    Attributes:
        objects: plain top-level functions and classes, in an order in which each needs only earlier ones.
        model: expression that builds the model.
        data: expression of the pair or triple (train, validation[, test]).
        loss: expression of the function (output, target); empty with `step`.
        step: expression of the function (model, batch); empty with `loss`.
        imports: lines that the text needs at its top.
    """

    objects: tuple[Any, ...]
    model: str
    data: str
    loss: str = ""
    step: str = ""
    imports: tuple[str, ...] = IMPORTS

    def text(self) -> str:
        """The imports and the source of every object: after it, the expressions can be evaluated."""
        sources = "\n\n".join(inspect.getsource(item) for item in self.objects)
        # Comments for ravine's own linters mean nothing in somebody else's script.
        return "\n".join(self.imports) + "\n\n\n" + re.sub(r"  # (noqa|type: ignore).*", "", sources)


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """A model, its data and its loss: what a race is run on.

    Args:
        name: what tables call it.
        model: a function without arguments that returns a new module, or the module's class. It is called under each
            seed, and twice more to see whether its modules share tensors (a pretrained backbone): those are copied.
        train, validation: a tuple or dictionary of tensors with equally many rows, a map-style Dataset, or a
            DataLoader (its data set through its `collate_fn`). With `loss`, a tuple whose last part is the target;
            the parts before it are the model's arguments.
        loss: `loss(output, target) -> 0-d tensor`, a mean over rows.
        test: like `validation`; without it, validation is cut in two for the final.
        step: instead of `loss`: `step(model, batch) -> 0-d tensor`.
        load: instead of the splits: a function without arguments that returns (train, validation[, test]), called
            when the data is first needed.
        metrics: name -> function (output, target), or (model, batch) with `step`; 0-d tensors. Higher is better
            unless the function has the attribute `lower_is_better = True`.
        batch_size: rows of a step; None, or more than there are: all of them. 64, or the DataLoader's, if not given.
        rank_by: "loss", or the metric that ranks.
        sources: the task as source text.
        notes: JSON values that are kept beside trained weights, such as a vocabulary.
        description: one line for people.

    Raises:
        TaskError: the parts contradict each other.
        UnknownNameError: `rank_by` names no metric.

    Example:
        >>> from torch import nn, zeros
        >>> pair = (zeros(8, 2), zeros(8, 1))
        >>> Task("tiny", lambda: nn.Linear(2, 1), pair, pair, nn.functional.mse_loss).steps_per_epoch
        1
    """

    name: str
    model: Callable[[], nn.Module]
    train: Any = None
    validation: Any = None
    loss: Callable[[Any, Any], torch.Tensor] | None = None
    test: Any = field(default=None, kw_only=True)
    step: Callable[[nn.Module, Tree], torch.Tensor] | None = field(default=None, kw_only=True)
    load: Callable[[], tuple[Any, ...]] | None = field(default=None, kw_only=True)
    metrics: Mapping[str, Metric] = field(default_factory=dict, kw_only=True)
    batch_size: int | None = field(default=_UNSET, kw_only=True)
    rank_by: str = field(default="loss", kw_only=True)
    reference: str | None = field(default=None, init=False)
    sources: Sources | None = field(default=None, kw_only=True)
    notes: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    description: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        checking.check_parts(self)
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics or {})))
        object.__setattr__(self, "notes", checking.as_json(self.notes, self.name))
        if "loss" in self.metrics:
            raise TaskError(f"task {self.name!r}: 'loss' is always recorded and cannot name a metric. Choose another name.")
        if self.rank_by not in ("loss", *self.metrics):
            raise unknown_name("metric", self.rank_by, ["loss", *self.metrics], do="rank_by names 'loss' or a metric of the task.")
        if cast(Any, self.batch_size) is _UNSET:
            object.__setattr__(self, "batch_size", loader_batch_size(self.train) or 64)
        if self.batch_size is not None:
            count("batch_size", self.batch_size, do="Use None for all rows at once.")

    def __repr__(self) -> str:
        return f"Task({self.name!r})"

    def referred(self, text: str | None) -> "Task":
        """The same task, with the text from which `ravine.tasks.load` makes it again in another process.

        `dataclasses.replace` drops the text, since a task with another model is no longer what the text names.
        """
        result = copy.copy(self)
        object.__setattr__(result, "reference", text)
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> "Task":
        # Frozen, so a copy would only double the data: modules that hold a task may be copied lane by lane.
        return self

    def __getstate__(self) -> dict[str, Any]:
        # A mappingproxy cannot be pickled; a worker gets the plain dictionary and wraps it again.
        return self.__dict__ | {"metrics": dict(self.metrics)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"metrics": MappingProxyType(state["metrics"])})

    @cached_property
    def data(self) -> Splits:
        """The splits as trees of tensors, read and checked at the first call.

        Raises:
            DataError: empty, unequal, non-finite or otherwise unusable data.
            TaskError: `load` raised, or returned neither a pair nor a triple.
        """
        given = (self.train, self.validation, self.test) if self.load is None else self._loaded()
        train, validation, test = (*given, None)[:3]
        splits = Splits(
            materialise(train, "train"),
            materialise(validation, "validation"),
            None if test is None else materialise(test, "test"),
        )
        checking.check_alike(splits)
        return splits

    def _loaded(self) -> tuple[Any, ...]:
        assert self.load is not None
        try:
            with isolated(0):
                given = self.load()
        except RavineError:
            raise
        except Exception as error:
            raise TaskError(f"task {self.name!r}: loading its data raised {type(error).__name__}: {first_line(error)}") from error
        if not isinstance(given, tuple) or len(given) not in (2, 3):
            kind = f"a tuple of {len(given)}" if isinstance(given, tuple) else type(given).__name__
            raise TaskError(
                f"task {self.name!r}: load() returned {kind}: must be the tuple (train, validation) or (train, validation, test)."
            )
        return given

    def build(self, seed: int) -> nn.Module:
        """A new module from the factory, its weights drawn under `seed`; the caller's random streams stay untouched.

        Raises:
            TaskError: the factory raised, or returned something that cannot be trained.
        """
        module = self._made(seed)
        if not self._shares_tensors:
            return module
        try:
            return copy.deepcopy(module)
        except Exception as error:
            kind = type(module).__name__
            given = f"every {kind} of model() shares tensors with the one before, and copying it raised {type(error).__name__}"
            raise TaskError(f"task {self.name!r}: {given}: {first_line(error)}. Build all of it anew at every call.") from error

    @cached_property
    def _shares_tensors(self) -> bool:
        """Whether modules of the factory have parameters or buffers in common, so that training one would train all."""
        first, second = self._made(0), self._made(0)
        if first is second:
            raise TaskError(f"task {self.name!r}: model() returned the same module twice. Build a new one at every call.")
        return not _storages(first).isdisjoint(_storages(second))

    def _made(self, seed: int) -> nn.Module:
        """What the factory returns under `seed`, if it can be trained."""
        try:
            with isolated(seed):
                module = self.model()
        except Exception as error:
            given = f"building the model raised {type(error).__name__}: {first_line(error)}"
            raise TaskError(f"task {self.name!r}: {given}.{factory_hint(self.model, error)}") from error
        if not isinstance(module, nn.Module):
            raise TaskError(f"task {self.name!r}: model() returned {type(module).__name__}: must be a torch.nn.Module.")
        parameters = list(module.parameters())
        if any(is_lazy(parameter) for parameter in parameters):
            remedy = "Give its sizes, or run it once on a batch inside the factory."
            raise TaskError(f"task {self.name!r}: model() returned a {type(module).__name__} with lazy parameters. {remedy}")
        if not any(parameter.requires_grad for parameter in parameters):
            remedy = "Register tensors with torch.nn.Parameter and layers as attributes or in a ModuleList."
            if parameters:
                remedy = "All it has are frozen: call requires_grad_(True) on those to train."
            raise TaskError(f"task {self.name!r}: the {type(module).__name__} has no parameters that require gradients. {remedy}")
        for name, parameter in module.named_parameters():
            if parameter.is_complex() and parameter.requires_grad:
                remedy = "Keep real parameters, and join them in forward() with torch.complex or torch.view_as_complex."
                raise TaskError(f"task {self.name!r}: the parameter {name!r} is {parameter.dtype}: must be real. {remedy}")
        return module

    def check(self) -> None:
        """Run one batch forwards and backwards on a fresh model, and evaluate it, changing neither data nor random streams.

        Raises:
            DataError: unusable data.
            TaskError: the model, loss or a metric fails on it, or gives something that cannot be differentiated.
        """
        checking.check_run(self)

    @property
    def rows_per_step(self) -> int:
        """Rows of one training step: the batch size, or all rows where there are fewer."""
        size = rows(self.data.train)
        return min(self.batch_size or size, size)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training split; the incomplete last one is dropped."""
        return rows(self.data.train) // self.rows_per_step

    def higher_is_better(self, metric: str) -> bool:
        """Whether larger values of "loss" or of a metric are the better ones.

        Raises:
            UnknownNameError: no such metric.
        """
        if metric == "loss":
            return False
        if metric not in self.metrics:
            raise unknown_name("metric", metric, ["loss", *self.metrics])
        return not getattr(self.metrics[metric], "lower_is_better", False)

    def baseline_loss(self) -> float | None:
        """The loss of the best constant output on the training targets; None where it is not known."""
        train = self.data.train
        return baseline_loss(self.loss, train[-1]) if self.loss is not None and isinstance(train, tuple) else None

    def describe(self) -> dict[str, Any]:
        """What a record keeps of the task, as JSON values."""
        return {
            "name": self.name,
            "description": self.description,
            "parameters": sum(parameter.numel() for parameter in self.build(0).parameters() if parameter.requires_grad),
            **self.data.sizes,
            "batch_size": self.rows_per_step,
            "steps_per_epoch": self.steps_per_epoch,
            "loss": name_of(self.loss) if self.loss is not None else "step",
            "metrics": list(self.metrics),
            "rank_by": self.rank_by,
            "higher_is_better": self.higher_is_better(self.rank_by),
            "reference": self.reference,
        }


def _storages(module: nn.Module) -> set[int]:
    """Addresses of the memory behind a module's parameters and buffers."""
    return {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers()) if tensor.numel()}
