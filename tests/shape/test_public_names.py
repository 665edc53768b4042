"""The public names: frozen at the top, sorted and complete below."""

import importlib
import types

import pytest

import ravine
from source_files import SOURCE

FROZEN = [
    "Result",
    "Studies",
    "Task",
    "__version__",
    "diagnose",
    "lessons",
    "metrics",
    "open_record",
    "optim",
    "race",
    "range_test",
    "schedules",
    "studies",
    "surfaces",
    "train",
    "watch",
]
NO_NAMES = {
    "base": "imported file by file",
    "cli": "commands, reached through the program",
    "integrations": "each imports its trainer, so they are imported by name",
    "race": "callable in place of the function of its name",
}
"""Packages without names of their own, and why."""

PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))


def order(name):
    """Constants, then classes, then the rest: as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def test_the_names_at_the_top_are_frozen():
    assert ravine.__all__ == FROZEN
    assert sorted(dir(ravine)) == sorted(FROZEN)


@pytest.mark.parametrize("name", FROZEN)
def test_every_name_at_the_top_loads(name):
    assert getattr(ravine, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'raec'"):
        _ = ravine.raec


def test_a_race_can_be_called_before_and_after_its_package_is_imported():
    importlib.import_module("ravine.race.plan")
    assert callable(ravine.race)


@pytest.mark.parametrize("package", [name for name in PACKAGES if name not in NO_NAMES])
def test_the_names_of_a_package_are_sorted_and_complete(package):
    module = importlib.import_module(f"ravine.{package}")
    listed = module.__all__
    assert listed == sorted(listed, key=order)
    held = {name for name, value in vars(module).items() if not name.startswith("_") and not isinstance(value, types.ModuleType)}
    assert held <= set(listed)
    assert all(hasattr(module, name) for name in listed)


@pytest.mark.parametrize("package", NO_NAMES)
def test_a_package_without_names_lists_none(package):
    assert not hasattr(importlib.import_module(f"ravine.{package}"), "__all__")
