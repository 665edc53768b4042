"""The types say what is sent: every key of the answers is declared, and no other."""

import typing

import pytest

import records_fixture
from ravine.records import open_record
from ravine.report import read_facts, views
from ravine.report.lane_curves import lane_curves, loss_bands, whole_window
from ravine.report.measures import lane_evaluations
from ravine.report.record_view import entrant_names, record_view


def check(value, kind, place):
    """Keys of every nested TypedDict, as far as lists and dictionaries hold any."""
    if typing.is_typeddict(kind):
        assert value.keys() == kind.__annotations__.keys(), place
        for name, inner in typing.get_type_hints(kind).items():
            check(value[name], inner, f"{place}.{name}")
        return
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        for one in value:
            check(one, arguments[0], f"{place}[]")
    elif origin is dict:
        for one in value.values():
            check(one, arguments[1], f"{place}{{}}")
    elif origin is typing.Literal:
        assert value in arguments, place
    elif type(None) in arguments and value is not None:
        check(value, arguments[0], place)
    elif kind in (str, int, float, bool):
        assert isinstance(value, (int, float) if kind is float else kind), place


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("views") / "race.ravine"
    records_fixture.write(path, seeds=2)
    with open_record(path) as opened:
        yield opened


def test_what_is_sent_is_what_is_declared(record):
    facts = read_facts(record)
    window = whole_window(facts, columns=10)
    check(record_view(record), views.RecordView, "view")
    check(loss_bands(record, facts, entrant_names(facts), window), views.LossBands, "bands")
    check(lane_curves(record, [0, 1], window), views.LaneCurves, "curves")
    check(lane_evaluations(record, [0], "test", "loss"), views.LaneEvaluations, "evaluations")


def test_a_key_too_many_is_seen():
    with pytest.raises(AssertionError, match="colours"):
        check({"light": "#000", "dark": "#fff", "print": "#000"}, views.Colours, "colours")
