"""Two parameter groups: what weight decay should pull towards zero, and what it should leave alone."""

from typing import Any

from torch import nn

from ravine.base._checks import number
from ravine.base.errors import InputError

NO_DECAY_TYPES: tuple[type[nn.Module], ...] = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.Embedding,
    nn.EmbeddingBag,
)
"""Modules whose parameters are scales, shifts or lookup tables."""


def param_groups(
    model: nn.Module, weight_decay: float, *, no_decay_types: tuple[type[nn.Module], ...] = NO_DECAY_TYPES
) -> list[dict[str, Any]]:
    """Every trainable parameter once, in two groups: with `weight_decay`, and with none.

    Decay leaves alone whatever has fewer than two dimensions (biases, gains, single scales), every parameter of a
    module of `no_decay_types`, and the biases of torch's own modules whatever their shape. All other matrices decay,
    those registered directly on a module of the user's included.

    A tied parameter decays if any of its places asks for it: an embedding is spared because a row without a gradient
    would shrink unseen, and as an output layer every row has a gradient at every step.

    Args:
        model: the module; frozen parameters are left out.
        weight_decay: for the first group; at least 0.
        no_decay_types: replaces `NO_DECAY_TYPES`.

    Returns:
        The decaying and the other group, in this order; either may be empty.

    Raises:
        InputError: the decay is negative, or a lazy module has not seen its first batch.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
        >>> [(group["weight_decay"], len(group["params"])) for group in param_groups(model, 0.1)]
        [(0.1, 1), (0.0, 3)]
    """
    weight_decay = number("weight_decay", weight_decay, at_least=0.0, below=float("inf"))
    decays: dict[nn.Parameter, bool] = {}
    for place, module in model.named_modules():
        for name, param in module.named_parameters(recurse=False):
            if isinstance(param, nn.parameter.UninitializedParameter):
                where = f"{place}.{name}" if place else name
                raise InputError(
                    f"parameter {where!r} has no shape yet: its lazy module must have seen data. Run the model on one batch first."
                )
            if param.requires_grad:
                decays[param] = decays.get(param, False) or _is_decaying(module, name, param, no_decay_types)
    spared = [param for param, is_decaying in decays.items() if not is_decaying]
    return [
        {"params": [param for param, is_decaying in decays.items() if is_decaying], "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]


def _is_decaying(module: nn.Module, name: str, param: nn.Parameter, no_decay_types: tuple[type[nn.Module], ...]) -> bool:
    # Attention keeps bias_k and bias_v with three dimensions; only torch's own modules are judged by such a name.
    is_torch_bias = name.startswith("bias") and type(module).__module__.startswith("torch.nn.")
    return param.ndim > 1 and not is_torch_bias and not isinstance(module, no_decay_types)
