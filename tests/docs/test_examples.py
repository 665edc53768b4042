"""Every Python and SQL example of the documents runs, in the order of its page; every command shown is one that the program takes."""

import re
import shlex
import sqlite3
from pathlib import Path

import pytest
import typer

import records_fixture
from ravine.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A race as long as a reader would run it takes a minute; its length is not what an example shows.
SHORTER = ((re.compile(r"\bsteps=\d+"), "steps=20"), (re.compile(r"\bseeds=\d+"), "seeds=2"))


def blocks(page, language):
    return [text for kind, text in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def shortened(text):
    for pattern, short in SHORTER:
        text = pattern.sub(short, text)
    return text


def pages(language):
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page, language)]


def commands():
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    return sorted({line.partition("#")[0].strip() for line in lines if line.startswith("ravine ")})


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A folder with a synthetic race in it, as the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "digits.ravine"
    records_fixture.write(path)
    return path


@pytest.mark.parametrize("page", pages("python"))
@pytest.mark.usefixtures("record")
def test_python_examples_run(page):
    namespace = {"__name__": "example"}
    for number, text in enumerate(blocks(page, "python"), 1):
        exec(compile(shortened(text), f"{page.name}, example {number}", "exec"), namespace)


@pytest.mark.parametrize("page", pages("sql"))
def test_sql_examples_give_rows(page, record):
    connection = sqlite3.connect(record)
    for text in blocks(page, "sql"):
        assert connection.execute(text).fetchall(), text
    connection.close()


@pytest.mark.parametrize("line", commands())
def test_commands_shown_are_accepted(line):
    arguments = shlex.split(line)[1:]
    command = typer.main.get_command(app)
    context = command.make_context("ravine", list(arguments))
    while arguments and hasattr(command, "commands"):
        name, command, arguments = command.resolve_command(context, arguments)
        context = command.make_context(name, list(arguments), parent=context)


def test_there_are_examples_to_run():
    assert pages("python")
    assert pages("sql")
    assert commands()
