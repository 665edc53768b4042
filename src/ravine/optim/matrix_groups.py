"""Two parameter groups for Muon: the matrices between a model's layers, and everything else."""

from typing import Any

from torch import nn

from ravine.base.errors import InputError
from ravine.tasks.kinds import parameter_kinds


def muon_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Every trainable parameter once, by name: those for Muon, and with `elementwise=True` those for AdamW.

    Muon's are weights of at least two dimensions that are neither lookup tables nor the last layer's. Any setting can be
    added to either group, such as `groups[1]["weight_decay"] = 0.0`.

    Args:
        model: the module; frozen parameters are left out.

    Returns:
        The group of matrices and the group of the rest, in this order; either may be empty.

    Raises:
        InputError: a lazy module has not seen its first batch.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2))
        >>> [[name for name, _ in group["params"]] for group in muon_groups(model)]
        [['0.weight', '1.weight'], ['0.bias', '1.bias', '2.weight', '2.bias']]
    """
    for name, param in model.named_parameters():
        if isinstance(param, nn.parameter.UninitializedParameter):
            raise InputError(f"parameter {name!r} has no shape yet: its lazy module must have seen data. Run the model on one batch first.")
    kinds = parameter_kinds(model)
    trainable = [(name, param) for name, param in model.named_parameters() if param.requires_grad]
    return [
        {"params": [(name, param) for name, param in trainable if kinds[name] == "matrix"]},
        {"params": [(name, param) for name, param in trainable if kinds[name] != "matrix"], "elementwise": True},
    ]
