"""What is wrong with a module's structure, found without running it: what training would not reach, or would reach twice."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.tasks.kinds import LOOKUP_TYPES

_OWN = frozenset(nn.Module().__dict__)
STRONG = 0.8
"""Share from which dropout leaves next to nothing: its authors' weakest networks keep a fifth."""


def unregistered(model: nn.Module) -> list[str]:
    """Parameters, modules with parameters and tensors that require gradients, held where `model.parameters()` does not see them."""
    known = {id(p) for p in model.parameters()}
    return [place for place, tensor in _held(model) if tensor.requires_grad and tensor.is_leaf and id(tensor) not in known]


def _held(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            if attribute in _OWN:
                continue
            place = f"{name}.{attribute}" if name else attribute
            for leaf in pytree.tree_leaves(value):
                if isinstance(leaf, nn.Module):
                    yield from ((f"{place} ({type(leaf).__name__}.{inner})", p) for inner, p in leaf.named_parameters())
                elif isinstance(leaf, Tensor):
                    yield place, leaf


def repeated(model: nn.Module) -> list[tuple[str, ...]]:
    """Names of each parameter that has several, unless a lookup table is among its owners: that is weight tying."""
    owners: dict[int, list[str]] = {}
    tables = {id(p) for module in model.modules() if isinstance(module, LOOKUP_TYPES) for p in module.parameters(recurse=False)}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        owners.setdefault(id(parameter), []).append(name)
    return [tuple(names) for key, names in owners.items() if len(names) > 1 and key not in tables]


def frozen_at_random(build: Callable[[int], nn.Module]) -> tuple[list[str], list[str]]:
    """Parameters that are not trained: those that each seed draws anew, and those that are the same for every seed.

    Args:
        build: seed -> fresh model.
    """
    first, second = (dict(build(seed).named_parameters()) for seed in (0, 1))
    held = [name for name, p in first.items() if not p.requires_grad]
    drawn = [name for name in held if name in second and not torch.equal(first[name], second[name])]
    return drawn, [name for name in held if name not in drawn]


def strong_dropout(model: nn.Module) -> dict[str, float]:
    """Layers that drop more than `STRONG` of what they are given, and how much."""
    layers = {name: module for name, module in model.named_modules() if "drop" in type(module).__name__.lower()}
    shares = {name: getattr(module, "p", getattr(module, "drop_prob", None)) for name, module in layers.items()}
    return {name: share for name, share in shares.items() if isinstance(share, float) and share > STRONG}


def few(names: Any, most: int = 3) -> str:
    """Some names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
