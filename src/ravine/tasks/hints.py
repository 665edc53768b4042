"""What to do about the errors that torch raises most often on a first batch."""

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils import _pytree

if TYPE_CHECKING:
    from ravine.tasks._task import Task

CLASS_LOSSES = ("cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss")
"""Losses whose targets are class numbers or shares."""

PAIRED = (
    *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits"),
    *("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss"),
)
"""Losses whose target has the output's shape."""


def name_of(function: object) -> str:
    """A function's or module's name for people."""
    return getattr(function, "__name__", type(function).__name__)


def factory_hint(factory: object, error: Exception) -> str:
    """One sentence on a model's factory that raised, after a space; empty where nothing is known."""
    is_bare = isinstance(factory, type) and isinstance(error, TypeError) and "required positional argument" in str(error)
    return f" Give a function that fills its arguments in: lambda: {name_of(factory)}(...)." if is_bare else ""


def loss_hint(task: "Task", batch: Any, output: Any, error: Exception) -> str:
    """One sentence on a loss that raised; empty where nothing is known.

    Args:
        task: whose loss it is.
        batch: what it was called on.
        output: the model's, or None where the loss was differentiated.
        error: what it raised.
    """
    if task.loss is None or not isinstance(batch, tuple) or not isinstance(batch[-1], torch.Tensor):
        return step_hint(error)
    target, name = batch[-1], name_of(task.loss)
    is_class_number = target.dtype in (torch.int64, torch.uint8)
    if name in CLASS_LOSSES and isinstance(output, torch.Tensor) and target.shape != output.shape and not is_class_number:
        return f"Class numbers must be torch.int64 and these are {target.dtype}: use target.long()."
    if is_class_number and target.numel() and isinstance(output, torch.Tensor) and output.ndim > 1 and _is_label_error(name, error):
        classes = output.shape[1]
        if int(target.max()) >= classes or int(target.min()) < 0:
            low, high = int(target.min()), int(target.max())
            more = f", or give the model {high + 1} outputs" if low >= 0 else ""
            return f"Class numbers must be 0 to {classes - 1} and these go from {low} to {high}. Number the classes from 0{more}."
    if name in PAIRED and not target.is_floating_point():
        return f"The target must be of floating type and is {target.dtype}: use target.float()."
    if name in (*CLASS_LOSSES, *PAIRED) and output is not None and not isinstance(output, torch.Tensor):
        given = f"The model returns a {type(output).__name__} and {name} takes a tensor"
        return f"{given}: return the tensor alone from forward(), or give step=(model, batch) -> mean."
    return step_hint(error)


def step_hint(error: Exception) -> str:
    """One sentence on an error of which only the text is known."""
    label = re.search(r"Target (-?\d+) is out of bounds", str(error))
    return f"The label {label[1]} has no output of its own: number the classes from 0, or give the model more outputs." if label else ""


def model_hint(model: nn.Module, inputs: Any, error: Exception) -> str:
    """One sentence on a model that raised; empty where nothing is known."""
    leaves = [leaf for leaf in _pytree.tree_leaves(inputs) if isinstance(leaf, torch.Tensor)]
    whole = [leaf for leaf in leaves if not leaf.is_floating_point() and not leaf.is_complex() and leaf.numel()]
    tables = [module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
    if "index out of range in self" in str(error) and whole and tables:
        low, high = min(int(leaf.min()) for leaf in whole), max(int(leaf.max()) for leaf in whole)
        given = f"The whole numbers of the input go from {low} to {high}, and the model's smallest embedding has {min(tables)} rows"
        return f"{given}: number them from 0, or give the embedding more rows."
    if "Expected more than 1 value per channel" in str(error):
        return "BatchNorm needs batches of two rows and more in training: use a larger batch_size."
    sizes = re.search(r"shapes cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", str(error))
    if sizes:
        return f"A layer for {sizes[2]} features got {sizes[1]}: make the two numbers equal."
    own = next(model.parameters()).dtype
    other = [leaf.dtype for leaf in leaves if leaf.dtype != own]
    return f"Its parameters are {own} and the input is {other[0]}: convert with x.to({own})." if other and not tables else ""


def _is_label_error(name: str, error: Exception) -> bool:
    return name in CLASS_LOSSES or "out of bounds" in str(error)
