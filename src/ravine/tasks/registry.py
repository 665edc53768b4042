"""Names of built-in tasks, their options and their defaults.

A built-in is a function that returns a `Task`. Its keyword arguments are the options, its defaults theirs, its
annotations their types, and the first line of its docstring the line that people read.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.tasks._task import Task
from ravine.tasks.chars import chars
from ravine.tasks.curve import curve
from ravine.tasks.deep import deep
from ravine.tasks.digits import digits
from ravine.tasks.line import line
from ravine.tasks.mnist import fashion_mnist, mnist
from ravine.tasks.mnist1d import mnist_1d
from ravine.tasks.pinn import pinn
from ravine.tasks.quadratic import quadratic_deep


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a built-in task.

    Attributes:
        name: as in `name=value`.
        default: value where it is left out.
        kind: type of the value.
        choices: permitted values; empty for numbers and files.
    """

    name: str
    default: Any
    kind: type
    choices: tuple[str, ...] = ()

    def read(self, value: object, task: str) -> Any:
        """`value`, or the text of one, as this option's type.

        Raises:
            InputError: it is not of that type.
            UnknownNameError: it is not among the choices.
        """
        if self.choices:
            if value not in self.choices:
                raise unknown_name(f"{self.name} of {task!r}", str(value), self.choices)
            return value
        if self.kind is str:
            return self._file(value, task)
        words = {int: "a whole number", float: "a number"}[self.kind]
        if isinstance(value, bool) or not isinstance(value, str | int | float) or (self.kind is int and isinstance(value, float)):
            raise InputError(f"{self.name}={value!r} for {task!r}: must be {words}, e.g. {self.default}.", given=value)
        try:
            number = self.kind(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{self.name}={value!r} for {task!r}: must be {words}, e.g. {self.default}.", given=value)
        return number

    def _file(self, value: object, task: str) -> str:
        """The whole path of a file, which means the same from every folder; the default is a word, and stays."""
        if value == self.default:
            return str(value)
        if not isinstance(value, str | Path) or not str(value):
            raise InputError(f"{self.name}={value!r} for {task!r}: must be the path of a file, or {self.default}.", given=value)
        if "," in str(value):
            given = f"{self.name}={str(value)!r} for {task!r}: a comma ends an option"
            raise InputError(f"{given}. Give a file without one in its path.", given=value)
        return str(Path(value).expanduser().resolve())


@dataclass(frozen=True, slots=True)
class Builtin:
    """One built-in task.

    Attributes:
        name: registry name.
        make: the function behind it.
        summary: one line for people.
        options: in the order in which they may be given without their names.
    """

    name: str
    make: Callable[..., Task]
    summary: str
    options: tuple[Option, ...]


def _builtin(name: str, make: Callable[..., Task]) -> Builtin:
    hints = get_type_hints(make)
    options = []
    for parameter in inspect.signature(make).parameters.values():
        kind = hints[parameter.name]
        options.append(Option(parameter.name, parameter.default, *((str, get_args(kind)) if get_args(kind) else (kind,))))
    return Builtin(name, make, (inspect.getdoc(make) or "").splitlines()[0].rstrip("."), tuple(options))


REGISTRY: Mapping[str, Builtin] = MappingProxyType(
    {
        name: _builtin(name, make)
        for name, make in (
            ("digits", digits),
            ("mnist", mnist),
            ("fashion-mnist", fashion_mnist),
            ("mnist-1d", mnist_1d),
            ("line", line),
            ("curve", curve),
            ("quadratic-deep", quadratic_deep),
            ("chars", chars),
            ("deep", deep),
            ("pinn", pinn),
        )
    }
)
"""Every built-in task by name."""


def names() -> tuple[str, ...]:
    """Names of the built-in tasks."""
    return tuple(REGISTRY)


def get(name: str) -> Builtin:
    """The built-in called `name`.

    Raises:
        UnknownNameError: no such name; the message offers the nearest ones.
    """
    if name not in REGISTRY:
        raise unknown_name("task", name, REGISTRY, do="A task of your own is given as path/to/file.py or package.module:name.")
    return REGISTRY[name]


def create(name: str, options: Mapping[str, object] | None = None) -> Task:
    """The built-in task `name` with `options`, by their names; values may be text, as on a command line.

    Raises:
        UnknownNameError: no such task, option or choice.
        InputError: an option's value is unusable.
    """
    builtin = get(name)
    known = {option.name: option for option in builtin.options}
    given = {}
    for key, value in (options or {}).items():
        if key not in known:
            if not known:
                raise InputError(f"{key}={value!r} for {name!r}: this task has no options. Leave it out.", given=value)
            raise unknown_name(f"option of {name!r}", key, known)
        given[key] = known[key].read(value, name)
    task = builtin.make(**given)
    return task.referred(_reference(builtin, given))


def parse_options(name: str, text: str) -> dict[str, object]:
    """The options in `text`: comma-separated, each `key=value` or, in the declared order, a bare value.

    Raises:
        UnknownNameError: no task is called `name`.
        InputError: too many values, a value without its name after a named one, or one option given twice.
    """
    builtin = get(name)
    order = [option.name for option in builtin.options]
    options: dict[str, object] = {}
    named = False
    for place, part in enumerate(text.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        named = named or bool(equals)
        if not equals:
            if named or place >= len(order):
                allowed = ", ".join(f"{option.name}={option.default}" for option in builtin.options) or "none"
                raise InputError(f"{part.strip()!r} in {name}:{text}: must be key=value; the options are: {allowed}.", given=text)
            key, value = order[place], key
        if key in options:
            raise InputError(f"{name}:{text}: the option {key!r} is given twice. Leave one out.", given=text)
        options[key] = value
    return options


def _reference(builtin: Builtin, given: Mapping[str, object]) -> str:
    """The shortest text that makes the same task: the name, and what differs from the defaults."""
    changed = []
    for place, option in enumerate(builtin.options):
        value = given.get(option.name, option.default)
        if value != option.default:
            # A leading choice needs no name: curve:two-bumps.
            changed.append(str(value) if option.choices and place == 0 else f"{option.name}={value}")
    return builtin.name + (":" + ",".join(changed) if changed else "")
