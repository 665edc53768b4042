import json
from dataclasses import dataclass, replace

import pytest

from lesson_checks import check
from ravine.base.errors import DataNotFoundError, UnknownNameError
from ravine.lessons import Lesson, Measured, Part, exact, over_seeds, run, run_all
from ravine.lessons._running import carry_out, check_data
from ravine.report.panels import Curve, Panel, Picture


@dataclass(frozen=True)
class Settings:
    value: float
    seeds: int = 4


PICTURE = Picture(panels=(Panel(title="a panel", curves=(Curve(name="sgd", x=[0, 1], y=[1, 2]),)),), caption="What it shows.")


def experiment(settings):
    values = [settings.value + 0.01 * seed for seed in range(settings.seeds)]
    return Measured(numbers={"gap": over_seeds(values)}, also={"seeds": exact(settings.seeds)}, picture=PICTURE, notes=("A note.",))


LESSON = Lesson(
    name="made-up",
    claim="The gap is above 1.",
    question="Is it?",
    source="textbook",
    setup="a gap of {value}",
    parts=(Part(number="gap", says="the gap is above 1", measures="the gap", above=1.0),),
    experiment=experiment,
    quick=Settings(2.0),
    full=Settings(0.0),
    full_s=1.0,
    explanation="Because it was put there.",
)


@pytest.mark.parametrize(("quick", "verdict"), [(True, "supported"), (False, "refuted")], ids=["quick", "full"])
def test_the_form_decides_the_settings_and_the_numbers_the_verdict(quick, verdict):
    outcome = check(carry_out(LESSON, quick=quick))
    assert outcome.verdict == verdict
    assert outcome.form == ("quick" if quick else "full")


def test_an_outcome_as_json():
    found = carry_out(LESSON, quick=True).summary()
    assert found["schema"] == 1
    assert found["settings"] == {"value": 2.0, "seeds": 4}
    assert found["parts"][0]["holds"] is True
    assert found["also"]["seeds"]["estimate"] == 4
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_figure_is_written(tmp_path):
    path = carry_out(LESSON, quick=True).figure(tmp_path / "f.svg", theme="dark")
    assert path.read_text().count("<svg") == 1


def test_missing_data_are_told_before_the_run(monkeypatch, tmp_path):
    monkeypatch.setenv("RAVINE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lesson = replace(LESSON, data="mnist", experiment=lambda settings: pytest.fail("it ran"))
    with pytest.raises(DataNotFoundError, match=r"the full form of 'made-up' needs mnist: .* Its quick form needs no data\."):
        carry_out(lesson, quick=False)
    check_data(lesson, quick=True)


def test_an_unknown_lesson():
    with pytest.raises(UnknownNameError, match="did you mean 'loss-shapes'"):
        run("loss-shape")


def test_several_in_one_process_are_told_one_by_one():
    told = []
    found = run_all(["loss-shapes", "elongated-bowl"], workers=1, observer=told.append)
    assert [outcome.lesson.name for outcome in found] == told == ["loss-shapes", "elongated-bowl"]


@pytest.mark.slow
def test_processes_give_what_one_process_gives():
    names = ["elongated-bowl", "loss-shapes", "saddle"]
    alone, shared = ([{**one.summary(), "wall_s": 0} for one in run_all(names, workers=workers)] for workers in (1, 2))
    assert alone == shared
