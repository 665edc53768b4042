"""Parameter groups from a model: weight decay where it belongs, rates by depth and for the head; freezing and unfreezing."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import nn

from ravine.base._checks import number, unknown_name
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

CONTAINERS = (nn.Sequential, nn.ModuleList)
"""Modules whose children follow one another."""


def param_groups(
    model: nn.Module,
    weight_decay: float,
    *,
    no_decay_types: tuple[type[nn.Module], ...] = NO_DECAY_TYPES,
    layer_decay: float | None = None,
    layers: Sequence[str] | None = None,
    head: str | nn.Module | None = None,
    head_lr_scale: float | None = None,
) -> list[dict[str, Any]]:
    """Every trainable parameter once, in groups: with `weight_decay` and with none, and by rate if asked.

    Decay leaves alone whatever has fewer than two dimensions (biases, gains, single scales), every parameter of a
    module of `no_decay_types`, and the biases of torch's own modules whatever their shape. All other matrices decay,
    those registered directly on a module of the user's included.

    A tied parameter decays if any of its places asks for it: an embedding is spared because a row without a gradient
    would shrink unseen, and as an output layer every row has a gradient at every step.

    Rates differ by the key `lr_scale`, which every class here multiplies lr by; set lr for all groups at once, and
    schedule it as usual. (timm's schedulers multiply by that key themselves: with them it would count twice.)

    With `layer_decay`, the scale is `layer_decay ** (top - depth)`, so that the deepest layers learn fastest (as in
    BEiT and ELECTRA). Without `layers`, depth is counted in blocks: children of the outermost `nn.Sequential` and
    `nn.ModuleList`, in the order in which they were registered, one model-wide count. A parameter outside of them is as
    deep as the block registered before it; before the first block that is 0, and after the last it is one more
    than the last block's. A tied parameter is as deep as its first place.

    Args:
        model: the module; frozen parameters are left out, and can be given to `add_param_group` once they are thawed.
        weight_decay: of the groups that decay; at least 0.
        no_decay_types: replaces `NO_DECAY_TYPES`.
        layer_decay: factor of the rate per layer towards the input, above 0.
        layers: names of modules from the input to the output, which replace the blocks; each parameter must be in one
            of them, or in the head.
        head: a module, or its name, whose parameters have the scale `head_lr_scale`, whatever their depth.
        head_lr_scale: see `head`; at least 0.

    Returns:
        The decaying and the other group, in this order; either may be empty. With `layer_decay` or `head`, such a pair
        for every scale, the smallest first, without the empty ones.

    Raises:
        InputError: a number out of range, a setting without effect, a parameter in none of the layers, or a lazy module
            that has not seen its first batch.
        UnknownNameError: no module of that name.

    Example:
        >>> from torch import nn
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
        >>> [(group["weight_decay"], len(group["params"])) for group in param_groups(model, 0.1)]
        [(0.1, 1), (0.0, 3)]
        >>> [(group["lr_scale"], group["weight_decay"]) for group in param_groups(model, 0.1, layer_decay=0.5)]
        [(0.5, 0.1), (0.5, 0.0), (1.0, 0.0)]
    """
    weight_decay = number("weight_decay", weight_decay, at_least=0.0, below=float("inf"))
    decays = _decays(model, no_decay_types)
    _refuse_idle(layer_decay=layer_decay, layers=layers, head=head, head_lr_scale=head_lr_scale)
    if layer_decay is None and head is None:
        return _pair(list(decays), decays, weight_decay)
    in_head = set() if head is None else {id(param) for param in _module(model, head).parameters()}
    scales = dict.fromkeys(decays, 1.0)
    if layer_decay is not None:
        factor = number("layer_decay", layer_decay, above=0.0, below=float("inf"))
        depths = _depths(model) if layers is None else _listed_depths(model, layers, decays, in_head)
        top = max((depths[param] for param in decays if id(param) not in in_head), default=0)
        scales |= {param: factor ** (top - depths[param]) for param in decays if id(param) not in in_head}
    if head is not None:
        scale = number("head_lr_scale", head_lr_scale, at_least=0.0, below=float("inf"))
        scales |= {param: scale for param in decays if id(param) in in_head}
    pairs = [
        {**group, "lr_scale": scale}
        for scale in sorted(set(scales.values()))
        for group in _pair([param for param in decays if scales[param] == scale], decays, weight_decay)
    ]
    return [group for group in pairs if group["params"]]


def freeze(module: nn.Module) -> None:
    """Stop training a module: its parameters want no gradient and have none, so that every optimizer passes them by.

    Optimizers keep their state and go on with it after `unfreeze`. Statistics of BatchNorm follow `module.eval()`, not this.

    Args:
        module: any module, a part of a model.

    Example:
        >>> from torch import nn
        >>> layer = nn.Linear(2, 2)
        >>> freeze(layer)
        >>> layer.weight.requires_grad
        False
    """
    for param in module.parameters():
        param.requires_grad_(False)
        # One left over would be stepped with again and again.
        param.grad = None


def unfreeze(module: nn.Module) -> None:
    """Train a module's parameters again, all of them that can have a gradient.

    Parameters that no group holds, because they were frozen when the optimizer was built, are for
    `optimizer.add_param_group`; their state starts at step 0.

    Args:
        module: any module, a part of a model.
    """
    for param in module.parameters():
        param.requires_grad_(param.dtype.is_floating_point or param.dtype.is_complex)


def _decays(model: nn.Module, no_decay_types: tuple[type[nn.Module], ...]) -> dict[nn.Parameter, bool]:
    """Every trainable parameter, and whether decay pulls at it."""
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
    return decays


def _is_decaying(module: nn.Module, name: str, param: nn.Parameter, no_decay_types: tuple[type[nn.Module], ...]) -> bool:
    # Attention keeps bias_k and bias_v with three dimensions; only torch's own modules are judged by such a name.
    is_torch_bias = name.startswith("bias") and type(module).__module__.startswith("torch.nn.")
    return param.ndim > 1 and not is_torch_bias and not isinstance(module, no_decay_types)


def _pair(params: list[nn.Parameter], decays: dict[nn.Parameter, bool], weight_decay: float) -> list[dict[str, Any]]:
    return [
        {"params": [param for param in params if decays[param]], "weight_decay": weight_decay},
        {"params": [param for param in params if not decays[param]], "weight_decay": 0.0},
    ]


def _refuse_idle(**given: Any) -> None:
    """Refuse settings that do nothing without another one."""
    needed = {"layers": "layer_decay", "head": "head_lr_scale", "head_lr_scale": "head"}
    for name, other in needed.items():
        if given[name] is not None and given[other] is None:
            shown = name if isinstance(given[name], nn.Module) else f"{name}={given[name]!r}"
            raise InputError(f"{shown} without {other} has no effect: must be given together. Add {other}, or leave {name} out.")


def _module(model: nn.Module, given: str | nn.Module) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if isinstance(given, nn.Module):
        if not any(module is given for module in modules.values()):
            raise InputError(f"head is a {type(given).__name__} that the model does not hold: must be one of its modules. Give its name.")
        return given
    if given not in modules:
        raise unknown_name("module of the model", given, (name for name in modules if name))
    return modules[given]


def _depths(model: nn.Module) -> dict[nn.Parameter, int]:
    """Depth of every parameter in blocks, see `param_groups`."""
    depths: dict[nn.Parameter, int] = {}
    counter, depth = itertools.count(1), 0
    for module, is_block in _walk(model):
        if is_block:
            depth = next(counter)
        own = module.parameters() if is_block else module.parameters(recurse=False)
        for param in own:
            depths.setdefault(param, depth if is_block or depth == 0 else -depth)
    # A negative depth marks a parameter that stands after that block: the last block's are one deeper than it.
    return {param: found if found >= 0 else -found + (found == -depth) for param, found in depths.items()}


def _walk(module: nn.Module) -> Iterator[tuple[nn.Module, bool]]:
    """Modules in order of registration; what lies inside a block is not entered."""
    yield module, False
    for child in module.children():
        if not isinstance(module, CONTAINERS):
            yield from _walk(child)
        elif any(True for _ in child.parameters()):
            yield child, True


def _listed_depths(
    model: nn.Module, layers: Sequence[str], trainable: Iterable[nn.Parameter], in_head: set[int]
) -> dict[nn.Parameter, int]:
    depths: dict[nn.Parameter, int] = {}
    for depth, name in enumerate(layers):
        for param in _module(model, name).parameters():
            depths.setdefault(param, depth)
    missing = {id(param) for param in trainable if param not in depths and id(param) not in in_head}
    for name, param in model.named_parameters():
        if id(param) in missing:
            raise InputError(f"parameter {name!r} lies in none of layers={list(layers)!r}: each must lie in one. Name its module as well.")
    return depths
