"""The page's types, written from `ravine.lab.protocol`: python -m ravine.lab._typescript."""

import inspect
import types
import typing
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ravine.lab import protocol

TARGET = Path(__file__).with_name("web") / "src" / "protocol.ts"
HEADING = "// Written from ravine/lab/protocol.py by python -m ravine.lab._typescript; a test compares."
PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
ALIASES = ("Numbers", "Floats", "State", "Target", "Event")


def typescript() -> str:
    """The types as TypeScript, in the order of the protocol."""
    parts = [HEADING]
    for name, value in vars(protocol).items():
        if name in ALIASES:
            parts.append(f"export type {name} = {_written(value)};")
        elif typing.is_typeddict(value) and value.__module__ == protocol.__name__:
            parts.append(_interface(name, value))
    return "\n\n".join(parts) + "\n"


def _interface(name: str, of: Any) -> str:
    hints = typing.get_type_hints(of)
    summary = " ".join((inspect.getdoc(of) or "").split())
    lines = [f"/** {summary} */", f"export interface {name} {{"]
    for key, kind in hints.items():
        lines.append(f"  {key}{'' if key in of.__required_keys__ else '?'}: {_named(of, key, kind)};")
    return "\n".join([*lines, "}"])


def _named(of: Any, key: str, kind: Any) -> str:
    """A field's type by the alias that it was written with, where it was."""
    given = inspect.get_annotations(of)[key]
    alias = next((name for name in ALIASES if getattr(protocol, name) is given), None) if not isinstance(given, str) else None
    # A plain `str` is no alias of itself.
    return alias if alias is not None and alias != "Floats" else _written(kind)


def _written(kind: Any) -> str:
    if kind in PLAIN:
        return PLAIN[kind]
    if typing.is_typeddict(kind):
        return str(kind.__name__)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_written(part) for part in arguments)
    if origin is list:
        inside = _written(arguments[0])
        return f"({inside})[]" if " | " in inside else f"{inside}[]"
    if origin is dict:
        return f"Record<{_written(arguments[0])}, {_written(arguments[1])}>"
    raise TypeError(f"{kind} has no counterpart in TypeScript: write it as a TypedDict")


if __name__ == "__main__":
    TARGET.write_text(typescript(), encoding="utf-8")
