"""What a caller may set."""

from dataclasses import fields

from ravine.trainer import Options


def test_nothing_is_set_unless_somebody_sets_it():
    assert {getattr(Options(), field.name) for field in fields(Options)} == {None, False, "cpu"}
