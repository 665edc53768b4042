"""Whether a task's parts fit together, with one sentence for each way in which they do not."""

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils import _pytree

from ravine.base.errors import DataError, TaskError
from ravine.tasks import repeatability
from ravine.tasks._randomness import isolated
from ravine.tasks.finiteness import check_loss_finite
from ravine.tasks.hints import PAIRED, loss_hint, model_hint, name_of, step_hint
from ravine.tasks.objective import Objective, divide
from ravine.tasks.splits import Splits, Tree, first_line, rows, take

if TYPE_CHECKING:
    from ravine.tasks._task import Task


def check_parts(task: "Task") -> None:
    """Raise `TaskError` unless the arguments of a task make sense together."""
    where = f"task {task.name!r}"
    if not isinstance(task.name, str) or not task.name:
        raise TaskError(f"name={task.name!r}: must be a text of at least one letter.")
    if isinstance(task.model, nn.Module):
        kind = type(task.model).__name__
        raise TaskError(f"{where}: model is a {kind}, but every seed needs a new one. Give a function that builds it: lambda: {kind}(...).")
    if not callable(task.model):
        raise TaskError(f"{where}: model is of type {type(task.model).__name__}: must be a function that returns a new module.")
    if (task.loss is None) == (task.step is None):
        found = "neither loss nor step was" if task.loss is None else "both loss and step were"
        raise TaskError(f"{where}: {found} given. Give one: loss=(output, target) -> mean, or step=(model, batch) -> mean.")
    criterion = task.step if task.loss is None else task.loss
    if not callable(criterion) or isinstance(criterion, type):
        remedy = f"Give an instance: {name_of(criterion)}()." if isinstance(criterion, type) else "Give a function."
        raise TaskError(f"{where}: {'step' if task.loss is None else 'loss'}={criterion!r} cannot be called on a batch. {remedy}")
    _check_criterion(criterion, where)
    splits = [name for name in ("train", "validation", "test") if getattr(task, name) is not None]
    if task.load is not None and splits:
        raise TaskError(f"{where}: load= gives all the splits, so {' and '.join(splits)} cannot be given besides. Leave one out.")
    if task.load is None and not {"train", "validation"} <= set(splits):
        missing = " and ".join(name for name in ("train", "validation") if name not in splits)
        raise TaskError(f"{where}: {missing} is missing. Give train= and validation=, or load=.")


def as_json(notes: Any, name: str) -> dict[str, Any]:
    """Notes as they are read back from a file; `TaskError` where they cannot be written to one."""
    try:
        found = json.loads(json.dumps(notes, allow_nan=False))
    except (TypeError, ValueError) as error:
        found = first_line(error)
    if not isinstance(found, dict):
        given = f"notes={notes!r}" if not isinstance(notes, Mapping) else f"notes cannot be written as JSON ({found})"
        raise TaskError(f"task {name!r}: {given}: must be a dictionary of texts, numbers, lists and dictionaries. Convert them.")
    return found


def _check_criterion(criterion: Any, where: str) -> None:
    if not isinstance(criterion, nn.Module):
        return
    if getattr(criterion, "reduction", "mean") == "sum":
        raise TaskError(
            f"{where}: the loss {name_of(criterion)} sums over rows, which ties the rate to the batch size. Use reduction='mean'."
        )
    if any(parameter.requires_grad for parameter in criterion.parameters()):
        raise TaskError(
            f"{where}: the loss {name_of(criterion)} has parameters, which would not be trained. Put it in the model; use step=."
        )


def check_alike(splits: Splits) -> None:
    """Raise `DataError` unless every split has the structure and dtypes of the training split."""
    expected, structure = _pytree.tree_flatten(splits.train)
    for name, tree in (("validation", splits.validation), ("test", splits.test)):
        if tree is None:
            continue
        leaves, found = _pytree.tree_flatten(tree)
        if found != structure:
            shapes = f"{_shapes(tree)} and {_shapes(splits.train)}"
            raise DataError(f"{name} and train are built differently ({shapes}). Give every split the same structure.")
        for leaf, model in zip(leaves, expected, strict=True):
            if leaf.dtype != model.dtype:
                raise DataError(f"{name} holds {leaf.dtype} where train holds {model.dtype}. Convert one of them.")


def check_run(task: "Task") -> None:
    """Raise `TaskError` unless one batch goes forwards and backwards as in training, and is evaluated to numbers."""
    data, where = task.data, f"task {task.name!r}"
    model = task.build(0)
    repeatability.check_factory(model, task.build(0), task.build(1), where)
    objective = Objective(model, task).train()
    with isolated(0), torch.enable_grad():
        _check_training(objective, data.train, where)
    again = partial(repeatability.check_run, lambda: Objective(task.build(0), task))
    again(partial(_batch, task, data.train), evaluate=False, where=where)
    objective.eval()
    # An evaluation that differentiates by its inputs (a physics-informed loss) works only while gradients are recorded.
    for is_recording in (False, True):
        with isolated(0), torch.set_grad_enabled(is_recording):
            try:
                _check_evaluation(objective, data.validation, f"{where}, in evaluation mode")
                break
            except TaskError as error:
                if is_recording or not isinstance(error.__cause__, RuntimeError):
                    raise
    again(partial(_batch, task, data.validation), evaluate=True, where=f"{where}, in evaluation mode")
    _check_extremes(objective, data, where)


def _batch(task: "Task", split: Tree) -> Tree:
    """The first rows, copied: a model that writes into its input must not reach the user's tensors, nor the next call."""
    return take(split, torch.arange(min(task.rows_per_step, rows(split))))


def _check_extremes(objective: Objective, splits: Splits, where: str) -> None:
    """Run the rows with the largest and smallest whole numbers: a label or token out of range must not end a race half-way."""
    for name, split in (("train", splits.train), ("validation", splits.validation), ("test", splits.test)):
        leaves = [
            leaf
            for leaf in _pytree.tree_leaves(split)
            if isinstance(leaf, torch.Tensor) and not leaf.is_floating_point() and not leaf.is_complex()
        ]
        numbers = [leaf.flatten(1) if leaf.ndim > 1 else leaf[:, None] for leaf in leaves if leaf.dtype != torch.bool and leaf.numel()]
        extremes = [bound for leaf in numbers for bound in (leaf.amax(1).argmax(), leaf.amin(1).argmin())]
        if extremes:
            # Filled up to a usual batch, for steps that count on its size.
            index = torch.cat([torch.unique(torch.stack(extremes)), torch.arange(rows(split))])[
                : min(objective.task.rows_per_step, rows(split))
            ]
            with isolated(0), torch.enable_grad():
                _run_loss(objective, take(split, index), f"{where}, {name} split")


def _check_training(objective: Objective, split: Tree, where: str) -> None:
    task = objective.task
    name, batch = name_of(task.step or task.loss), _batch(task, split)
    loss = _run_loss(objective, batch, where)
    _check_loss(loss, where, name)
    check_loss_finite(loss, objective, _batch(task, split), where)
    if not loss.requires_grad:
        remedy = "Leave out .detach(), .item() and torch.no_grad() on the way."
        raise TaskError(f"{where}: the value of {name} does not depend on the parameters, so it has no gradient. {remedy}")
    parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    try:
        # Not backward(), which would leave gradients on whatever else of the user's the loss reaches.
        torch.autograd.grad(loss, parameters, allow_unused=True)
    except Exception as error:
        if "use_reentrant" in str(error):
            given = "the model uses reentrant checkpoints, which only loss.backward() can go through"
            raise TaskError(f"{where}: {given}. Pass use_reentrant=False to torch.utils.checkpoint.checkpoint.") from error
        raise _failed(f"{where}: differentiating the loss", error, loss_hint(task, batch, None, error)) from error


def _check_evaluation(objective: Objective, split: Tree, where: str) -> None:
    task = objective.task
    _check_loss(_run_loss(objective, _batch(task, split), where), where, name_of(task.step or task.loss))
    _check_metrics(objective, _batch(task, split), where)


def _run_loss(objective: Objective, batch: Tree, where: str) -> Any:
    task, model = objective.task, objective.model
    if task.step is not None:
        try:
            return task.step(model, batch)
        except Exception as error:
            raise _failed(f"{where}: step(model, batch) on {_shapes(batch)}", error, step_hint(error)) from error
    inputs, target = divide(batch)
    try:
        output = model(*inputs)
    except Exception as error:
        hint = model_hint(model, inputs, error)
        raise _failed(f"{where}: the model {type(model).__name__} on {_shapes(inputs)}", error, hint) from error
    name = name_of(task.loss)
    if name in PAIRED and isinstance(output, torch.Tensor) and output.shape != target.shape:
        shapes = f"output {tuple(output.shape)} and target {tuple(target.shape)}"
        raise TaskError(f"{where}: {name} got {shapes}, which it would broadcast. Make the shapes equal, e.g. with target.unsqueeze(1).")
    try:
        return objective.task.loss(output, target)  # type: ignore[misc]
    except Exception as error:
        subject = f"{where}: the loss {name} on output {_shapes(output)} and target {_shapes(target)}"
        raise _failed(subject, error, loss_hint(task, batch, output, error)) from error


def _check_loss(loss: object, where: str, name: str) -> None:
    if loss is None:
        raise TaskError(f"{where}: {name} returned None: must be a 0-d tensor. End it with a return of the loss.")
    if not isinstance(loss, torch.Tensor):
        raise TaskError(f"{where}: {name} returned {type(loss).__name__}: must be a 0-d tensor. Leave out .item() and float().")
    if loss.ndim:
        raise TaskError(f"{where}: {name} returned a tensor of shape {tuple(loss.shape)}: must be a scalar. Average it with .mean().")
    if loss.is_complex():
        raise TaskError(f"{where}: {name} returned a {loss.dtype} number: must be real. Use its .real, or .abs() before the mean.")
    if not loss.is_floating_point():
        raise TaskError(f"{where}: {name} returned a {loss.dtype} number: must be of floating type. Average floating values.")


def _check_metrics(objective: Objective, batch: Tree, where: str) -> None:
    task = objective.task
    arguments: tuple[Any, Any] = (objective.model, batch)
    if task.step is None:
        inputs, target = divide(batch)
        arguments = (objective.model(*inputs), target)
    for name, metric in task.metrics.items():
        try:
            value = metric(*arguments)
        except Exception as error:
            raise _failed(f"{where}: the metric {name!r}", error, "") from error
        if not isinstance(value, torch.Tensor) or value.ndim:
            kind = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
            raise TaskError(f"{where}: the metric {name!r} returned {kind}: must be a 0-d tensor. Use .mean(), and leave out .item().")


def _failed(subject: str, error: Exception, hint: str) -> TaskError:
    return TaskError(f"{subject} raised {type(error).__name__}: {first_line(error)}.{' ' + hint if hint else ''}")


def _shapes(tree: Tree) -> str:
    if isinstance(tree, torch.Tensor):
        return f"{tuple(tree.shape)} {str(tree.dtype).removeprefix('torch.')}"
    if isinstance(tree, tuple | list):
        return f"({', '.join(_shapes(part) for part in tree)})"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {_shapes(part)}" for key, part in tree.items()) + "}"
    return type(tree).__name__
