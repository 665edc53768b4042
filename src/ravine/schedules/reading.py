"""Schedules from text, such as "cosine_restarts:cycles=5,t_mult=1"."""

import dataclasses
from typing import Any

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.schedules._schedule import Schedule
from ravine.schedules.feedback import Plateau
from ravine.schedules.registry import FEEDBACK, REGISTRY, create, settings_of


def read(text: str) -> Schedule | Plateau:
    """The schedule that a text names; settings follow a colon.

    Args:
        text: `cosine`, `one_cycle:pct_start=0.2`, `multistep:milestones=300,600`, `plateau:patience=2`.

    Raises:
        UnknownNameError: no such schedule or setting.
        InputError: a setting without a value, or outside its interval.

    Example:
        >>> read("cosine:floor=0.1"), read("plateau:patience=2").patience
        (Cosine(horizon=None, warmup_length=0, warmup_kind='linear', warmup_start=None, floor=0.1), 2)
    """
    name, colon, rest = (part.strip() for part in text.partition(":"))
    if name not in REGISTRY and name not in FEEDBACK:
        raise unknown_name("schedule", name, [*REGISTRY, *FEEDBACK])
    defaults = _defaults(name)
    settings = {key: _value(key, value, text, defaults) for key, value in _pairs(rest, text)} if colon else {}
    for key in settings:
        if key not in defaults:
            raise unknown_name(f"setting of {name!r}", key, defaults)
    return FEEDBACK[name](**settings) if name in FEEDBACK else create(name, **settings)


def plain_value(text: str) -> Any:
    """A text as what it looks like: number, truth value, list of them separated by commas, or itself."""
    if "," in text:
        return tuple(plain_value(part) for part in text.split(",") if part.strip())
    words = {"true": True, "false": False, "none": None}
    if text.strip().lower() in words:
        return words[text.strip().lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip()


def _defaults(name: str) -> dict[str, Any]:
    """Settings and their defaults."""
    if name in FEEDBACK:
        return {field.name: field.default for field in dataclasses.fields(FEEDBACK[name])}
    return settings_of(REGISTRY[name])


def _pairs(rest: str, text: str) -> list[tuple[str, str]]:
    """Keys and values; a part without "=" goes on with the list before it."""
    found: list[tuple[str, str]] = []
    for part in rest.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if equals and key and value:
            found.append((key, value))
        elif not equals and key and found:
            found[-1] = (found[-1][0], f"{found[-1][1]},{key}")
        else:
            raise InputError(f"{part!r} in {text!r}: must be NAME=VALUE. Write it like cosine:floor=0.1.", given=text)
    if len({key for key, _ in found}) < len(found):
        raise InputError(f"{text!r}: a setting is given twice. Leave one out.", given=text)
    return found


def _value(key: str, text: str, whole: str, defaults: dict[str, Any]) -> Any:
    value = plain_value(text)
    if isinstance(defaults.get(key), tuple):
        return value if isinstance(value, tuple) else (value,)
    if isinstance(value, tuple):
        raise InputError(f"{key}={text} in {whole!r}: must be one value. Write one NAME=VALUE after the other.", given=whole)
    return value
