from ravine.lab.catalogue import catalogue
from ravine.lab.settings import PRESET
from ravine.rules import registry
from ravine.schedules import REGISTRY


def test_everything_that_is_registered_can_be_chosen():
    found = catalogue(["a.ravine"], "task.py")
    assert [one["name"] for one in found["optimizers"]] == list(registry.names())
    assert [one["name"] for one in found["schedules"]] == list(REGISTRY)
    assert (found["files"], found["preset"]) == (["a.ravine"], PRESET)
    assert [task["name"] for task in found["tasks"]] == ["curve", "digits", "user"]
    assert [task["name"] for task in catalogue([], None)["tasks"]] == ["curve", "digits"]


def test_every_optimiser_has_its_equations_rates_and_style():
    for one in catalogue([], None)["optimizers"]:
        assert "<-" in one["formula"] or "=" in one["formula"], one["name"]
        assert one["lr"]["low"] < one["lr"]["high"]
        assert set(one["style"]["colour"]) == {"light", "dark"}
        assert one["source"].endswith(one["source"].strip())
        assert "lr" not in one["hypers"]


def test_the_preset_has_six_styles_that_differ():
    styles = {one["name"]: str(one["style"]) for one in catalogue([], None)["optimizers"]}
    assert len({styles[name] for name in PRESET["optimizers"]}) == len(PRESET["optimizers"])
