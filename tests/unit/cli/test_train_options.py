"""Options of `ravine train`: one for every option of `ravine.train` and no other."""

import inspect
import typing

import ravine
from ravine.cli import _train_options
from ravine.cli.train import train

DECLARED = {name: found for name, found in vars(_train_options).items() if typing.get_origin(found) is typing.Annotated}

RENAMED = {"save_every": "save_s"}


# `--text FILE` is short for the task chars:text=FILE.
def test_every_option_of_the_function_is_an_option_of_the_command():
    command = {RENAMED.get(name, name) for name in inspect.signature(train).parameters} - {"as_json", "quiet", "text"}
    assert command == set(inspect.signature(ravine.train).parameters) - {"observer"}


def test_every_declaration_is_used_once_and_in_its_order():
    used = [parameter.annotation for parameter in inspect.signature(train).parameters.values()]
    assert used == list(DECLARED.values())
