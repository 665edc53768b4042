"""What `ravine race` takes."""

import inspect
import typing

import typer

from ravine.cli import _race_options
from ravine.cli.race import race

DECLARED = {name: found for name, found in vars(_race_options).items() if typing.get_origin(found) is typing.Annotated}


def test_every_declaration_is_used_once_and_in_its_order():
    used = [parameter.annotation for parameter in inspect.signature(race).parameters.values()]
    assert used == list(DECLARED.values())


def test_every_declaration_has_help_that_ends_as_a_sentence():
    for name, declared in DECLARED.items():
        (about,) = declared.__metadata__
        assert isinstance(about, typer.models.ParameterInfo), name
        assert about.help.endswith("."), name
