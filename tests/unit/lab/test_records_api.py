import pytest

pytest.importorskip("starlette", reason="the lab needs Starlette: pip install 'ravine[lab]'")

import records_fixture
from ravine.base.errors import InputError
from ravine.lab.records_api import lane_numbers, routes, view
from ravine.records import LaneRow, create, open_record


@pytest.mark.parametrize(("text", "lanes"), [("", []), ("3", [3]), ("0,3-5,4", [0, 3, 4, 5]), ("5-3", [])])
def test_lanes_are_numbers_and_runs(text, lanes):
    assert lane_numbers(text) == lanes


@pytest.mark.parametrize("text", ["x", "1,-2", "1-2-3", "²", "1;DROP TABLE lanes", "0-2000", "0-999999999"])
def test_what_is_no_list_of_lanes_or_too_long_a_one_is_refused(text):
    with pytest.raises(InputError, match="lanes="):
        lane_numbers(text)


def test_the_recipe_of_a_view_needs_no_torch(tmp_path):
    records_fixture.write(tmp_path / "a.ravine", optimizers=("adam",), seeds=2)
    with open_record(tmp_path / "a.ravine") as record:
        assert 'ravine.optim.create("adam"' in view(record)["recipe"]


def test_a_race_without_a_recommendation_has_no_recipe_and_a_training_its_own_view(tmp_path):
    create(tmp_path / "a.ravine").close()
    with create(tmp_path / "b.ravine") as writer:
        writer.add_lanes([LaneRow(lane=0, stage="watch", optimizer="SGD", lr=0.1, schedule="", seed=0)])
        writer.set_meta("kind", "watch")
        writer.set_meta("task", {"name": "Net"})
        writer.set_meta("status", "running")
    with open_record(tmp_path / "a.ravine") as record:
        assert view(record)["recipe"] == ""
    with open_record(tmp_path / "b.ravine") as record:
        assert view(record)["kind"] == "watch"


def test_every_address_is_below_records():
    assert all(route.path.startswith("/api/records") for route in routes())
