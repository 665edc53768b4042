"""Activation checkpointing: modules whose activations are not kept for the backward pass but computed again in it."""

import functools
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.utils.checkpoint import checkpoint

from ravine.base._checks import unknown_name


def recompute(model: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Let modules compute their activations again; random draws are the same ones, so that results keep every bit.

    Args:
        model: holds them.
        names: as in `model.named_modules()`, or patterns such as "blocks.*", whose stars do not match dots.

    Returns:
        the modules, for `keep`.

    Raises:
        UnknownNameError: no module of that name.
    """
    known = {name: part for name, part in model.named_modules() if name}
    chosen = dict[str, nn.Module]()
    for pattern in names:
        found = {name: part for name, part in known.items() if _matches(name, pattern)}
        if not found:
            raise unknown_name("module", pattern, known)
        chosen |= found
    for part in chosen.values():
        # An attribute of this module before its class's method; `use_reentrant` False is what torch asks for.
        part.forward = functools.partial(checkpoint, part.forward, use_reentrant=False)
    return list(chosen.values())


def keep(parts: Sequence[nn.Module]) -> None:
    """Let modules keep their activations again."""
    for part in parts:
        del part.forward


def _matches(name: str, pattern: str) -> bool:
    pieces, wanted = name.split("."), pattern.split(".")
    return len(pieces) == len(wanted) and all(fnmatchcase(piece, part) for piece, part in zip(pieces, wanted, strict=True))
