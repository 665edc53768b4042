"""Nested state as JSON and named tensors: what an optimizer keeps, without pickle, so that loading it runs no code."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ravine.base.errors import InputError


def encode(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON, its tensors put into `tensors` under names that begin with `name`.

    Args:
        value: numbers, text, None, tensors, and lists, tuples and dictionaries of such.
        name: of the value.
        tensors: takes the tensors.

    Raises:
        InputError: it holds something else.

    Example:
        >>> kept = {}
        >>> text = encode({0: (torch.ones(2), 0.5)}, "state", kept)
        >>> decode(text, kept)[0][0], list(kept)
        (tensor([1., 1.]), ['state.0.0'])
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}  # JSON has no infinity, and text of a float is not everywhere the same
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"items": [[encode(key, "", {}), encode(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [encode(item, f"{name}.{place}", tensors) for place, item in enumerate(value)]}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    given = f"{name} is of type {type(value).__name__}, which a checkpoint cannot hold without code"
    raise InputError(f"{given}. Use an optimizer whose state is tensors and numbers.")


def decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `encode` was given."""
    if not isinstance(value, dict):
        return value
    [(kind, held)] = value.items()
    if kind == "float":
        return float.fromhex(held)
    if kind == "tensor":
        return tensors[held]
    if kind == "dtype":
        return getattr(torch, held)
    if kind == "items":
        return {decode(key, tensors): decode(item, tensors) for key, item in held}
    parts = [decode(item, tensors) for item in held]
    return tuple(parts) if kind == "tuple" else parts


def merge(parts: Sequence[Any]) -> Any:
    """Encoded state dicts of one optimizer, each with the state of some parameters, as that of all.

    Example:
        >>> parts = [encode({"state": {place: 0.5}, "rule": "sgd"}, "optimizer", {}) for place in (1, 0)]
        >>> decode(merge(parts), {})
        {'state': {0: 0.5, 1: 0.5}, 'rule': 'sgd'}
    """
    if len(parts) == 1:
        return parts[0]
    found = {place: item for part in parts for place, item in _states(part)}
    return _with_states(parts[0], [[place, found[place]] for place in sorted(found)])


def select(value: Any, wanted: Callable[[int], bool]) -> Any:
    """An encoded state dict of an optimizer with the state of some parameters only, by their places."""
    return _with_states(value, [[place, item] for place, item in _states(value) if wanted(place)])


def _states(value: Any) -> list[Any]:
    return [pair for name, item in value["items"] if name == "state" for pair in item["items"]]


def _with_states(value: Any, states: list[Any]) -> Any:
    return {"items": [[name, {"items": states} if name == "state" else item] for name, item in value["items"]]}
