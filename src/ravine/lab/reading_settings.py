"""Settings from an address: texts by name become a frozen dataclass of numbers and names, and a command line again."""

import dataclasses
import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError

LONGEST = 2000
"""Characters of one setting."""

TRUTHS = {"1": True, "0": False}


def limited(default: Any, *, option: str | None = None, **limits: Any) -> Any:
    """A setting with limits.

    Args:
        default: where it is left out.
        option: of the command, where that is not called like the setting.
        limits: `at_least`, `above`, `at_most` and `below` of a number.
    """
    return field(default=default, metadata={"option": option, "limits": limits})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a page asks for; every setting is one of the command that gives the same numbers."""

    words: ClassVar[tuple[str, ...]] = ()
    """Of the command, before its options."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """Settings from texts.

        Args:
            given: by name; names and numbers of a list are separated by commas, truth is 1 or 0.

        Raises:
            UnknownNameError: there is no such setting.
            InputError: a text is not what the setting needs, or outside its limits.
        """
        kinds, known = get_type_hints(cls), {one.name: one for one in dataclasses.fields(cls)}
        found = {}
        for name, text in given.items():
            if name not in known:
                raise unknown_name("setting", name, known)
            found[name] = _value(name, text, kinds[name], known[name].metadata.get("limits", {}))
        return cls(**found)

    def commands(self) -> list[str]:
        """Command lines that print the same numbers."""
        return [command_line([*self.words, *self.options(), "--json"])]

    def python(self) -> str:
        """A script that computes the same numbers and leaves them in `found`."""
        raise NotImplementedError

    def options(self, *without: str) -> Iterator[str]:
        """Options of the command for what differs from the defaults."""
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if one.name not in without and value != one.default:
                yield from option(one.metadata.get("option") or f"--{one.name.replace('_', '-')}", value)


def option(name: str, value: object) -> Iterator[str]:
    """An option as words of a command line; a value that begins with a dash is tied to its name."""
    if value is True or value is False:
        yield from (name,) if value else ()
        return
    text = text_of(value)
    yield from (f"{name}={text}",) if text.startswith("-") else (name, text)


def text_of(value: object) -> str:
    """A value as an option takes it."""
    if isinstance(value, tuple):
        return ",".join(map(text_of, value))
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def command_line(words: list[str]) -> str:
    """A line for a shell."""
    return shlex.join(["ravine", *words])


def listed(name: str, values: tuple[Any, ...], most: int) -> None:
    """Refuse a list that is too long for a page."""
    if len(values) > most:
        raise InputError(f"{name} has {len(values)} entries: at most {most} fit in a figure. Leave some out.", given=values)


def _value(name: str, text: str, kind: Any, limits: Mapping[str, Any]) -> Any:
    if len(text) > LONGEST:
        raise InputError(f"{name} has {len(text):,} characters: at most {LONGEST:,}. Shorten it.", given=name)
    if get_origin(kind) is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(_value(name, part, get_args(kind)[0], limits) for part in parts)
    if kind is bool:
        if text not in TRUTHS:
            raise InputError(f"{name}={text!r}: must be 1 or 0. Leave it out for the usual.", given=text)
        return TRUTHS[text]
    if kind is int:
        return count(name, _whole(text), **limits)
    if kind is float:
        # Infinity is no number that a page could draw.
        return number(name, text, **({"above": -math.inf, "below": math.inf} | dict(limits)))
    return text


def _whole(text: str) -> int | str:
    """The number, or the text itself, which the check then names."""
    try:
        return int(text)
    except ValueError:
        return text
