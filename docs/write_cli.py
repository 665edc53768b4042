"""Write docs/cli.md from the program: one section a command, its `--help` word for word."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer

from ravine.cli.main import app

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 100

INTRODUCTION = """# The command line

Results go to the standard output, messages to the standard error. Exit status: 0 done, 1 the doctor found errors, 2 unusable input,
130 interrupted (the record holds what was done), 143 terminated. Bad input is answered with one sentence a problem: what was given, what
is allowed, what to do.

This page is written by `make cli-pages` from the program itself, and a test compares the two.
"""


def commands(command: Any, context: click.Context) -> Iterator[tuple[str, str]]:
    """Every command below and including `command`: its full name and its help."""
    yield context.command_path, command.get_help(context).rstrip()
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, context_of(child, name, context))


def context_of(command: Any, name: str, parent: click.Context | None = None) -> click.Context:
    """A context that formats help at one width, whatever the terminal's."""
    context: click.Context = command.context_class(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    return context


def page() -> str:
    """The whole page."""
    root = typer.main.get_command(app)
    sections = (f"## `{name}`\n\n```text\n{text}\n```\n" for name, text in commands(root, context_of(root, "ravine")))
    return "\n".join([INTRODUCTION, *sections])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
