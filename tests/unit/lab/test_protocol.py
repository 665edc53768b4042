import typing

from ravine.lab import protocol


def test_every_event_names_its_kind():
    kinds = [typing.get_args(typing.get_type_hints(event)["kind"]) for event in typing.get_args(protocol.Event)]
    assert kinds == [("hello",), ("frame",), ("status",), ("diverged",), ("end",), ("error",)]


def test_every_type_is_documented():
    assert [name for name, value in vars(protocol).items() if typing.is_typeddict(value) and not value.__doc__] == []
