"""Every failure that is not ours as one sentence, after the user's own traceback where their code raised."""

import sysconfig
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from ravine.base._checks import unknown_name
from ravine.base.errors import PlanError, RavineError

# Which module holds typer's usage errors depends on its version; that BadParameter is one of them does not.
UsageError: Any = typer.BadParameter.__mro__[1]

_SITE = ("site-packages", "dist-packages")


def explain(error: Exception) -> str:
    """What the user reads: "ravine: ..." and one sentence, or one for every problem of a plan."""
    if isinstance(error, RavineError):
        problems = error.problems if isinstance(error, PlanError) else (str(error),)
        return users_traceback(error) + "\n".join(f"ravine: {problem}" for problem in problems)
    return f"ravine: {usage(error)}"


def usage(error: Any) -> str:
    """A usage error of typer's, with the nearest names where an option is unknown, and where to read on."""
    sentence = error.format_message().replace("Invalid value for ", "", 1).rstrip(".")
    sentence = sentence[:1].lower() + sentence[1:]
    context = error.ctx
    if context is None:
        return f"{sentence}."
    command = context.command_path
    ending = f"See: {command} --help"
    given = getattr(error, "option_name", "")
    known = [name for parameter in context.command.params for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")]
    if not given.startswith("-") or given in known:
        return f"{sentence}. {ending}"
    # Without the dashes, which every option shares and which would make all of them look alike.
    bare = unknown_name(f"option of '{command}'", given.lstrip("-"), [name[2:] for name in ("--help", *known)])
    offer = " or ".join(f"--{name}" for name in bare.nearest)
    return f"'{command}' has no option {given}{f'; did you mean {offer}?' if offer else '.'} {ending}"


def users_traceback(error: BaseException) -> str:
    """The traceback of what the user's code raised, from the user's first line on and without ravine's lines; else empty."""
    if error.__cause__ is None or isinstance(error.__cause__, RavineError):
        # A sentence of ravine's about the user's line says which, and all else there is to say.
        return ""
    shown = traceback.TracebackException.from_exception(error.__cause__)
    # "<string>" is what dataclasses generate: the constructor of `Task`.
    foreign = (_folder("ravine"), "<frozen importlib", "<string>")
    frames = [frame for frame in shown.stack if not frame.filename.startswith(foreign)]
    while frames and not _is_users(frames[0].filename):
        frames.pop(0)
    if not frames and not isinstance(error.__cause__, SyntaxError):
        return ""
    shown.stack = traceback.StackSummary.from_list(frames)
    return "".join(shown.format(chain=False))


def _is_users(file: str) -> bool:
    is_standard = file.startswith(sysconfig.get_path("stdlib")) and not any(site in file for site in _SITE)
    return not (is_standard or file.startswith((_folder("torch"), "<")))


def _folder(package: str) -> str:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return f"{Path(spec.origin).parent}/"
