"""Each figure's page asks for what the command asks for: the command and the Python beside a figure give its numbers."""

import json
import shlex

import numpy as np
import pytest

from ravine.base.errors import InputError, RavineError
from ravine.cli.main import main
from ravine.lab.figure_settings import FIGURES
from ravine.lab.figures import figure

ASKED = {
    "surface": {
        "name": "x**2 + 4*y**2",
        "optimizers": "sgd,adam",
        "lr": "0.15",
        "steps": "9",
        "start": "-3,2",
        "noise": "0.1",
        "seed": "3",
    },
    "schedules": {"schedules": "cosine:floor=0.1;multistep:milestones=10,20,gamma=0.5", "horizon": "30", "warmup": "0.2", "lr": "0.01"},
    "loss-shapes": {"losses": "focal,squared", "gamma": "3", "classes": "4"},
    "precision": {"gradients": "1e-3,-4e-8", "formats": "fp16", "scales": "1,1024"},
    "depth": {"depth": "3", "width": "4", "seeds": "2", "activations": "relu,tanh", "residual": "1"},
    "memory": {"optimizers": "adamw,lion", "bits": "8", "precision": "mixed", "zero": "1", "shards": "4", "params": "1e9"},
}


@pytest.fixture(scope="module", params=ASKED)
def asked(request):
    settings = FIGURES[request.param].read(ASKED[request.param])
    return request.param, settings, figure(settings)["numbers"]


def test_the_command_prints_the_numbers_of_the_page(asked, capsys):
    name, settings, numbers = asked
    printed = []
    for line in settings.commands():
        assert main(shlex.split(line)[1:]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    assert (printed if name == "schedules" else printed[0]) == json.loads(
        json.dumps(numbers["schedules"] if name == "schedules" else numbers)
    )


def test_the_script_computes_the_numbers_of_the_page(asked):
    name, settings, numbers = asked
    made = {}
    exec(settings.python(), made)
    if name == "schedules":
        assert [np.asarray(rates).tolist() for rates in made["found"]] == [one["rates"] for one in numbers["schedules"]]
    else:
        assert made["found"] == numbers


@pytest.mark.parametrize("name", FIGURES)
def test_the_usual_settings_are_the_command_alone(name):
    words = [shlex.split(line) for line in FIGURES[name]().commands()]
    assert all(one[0] == "ravine" and one[-1] == "--json" for one in words)
    if name != "schedules":
        assert len(words) == 1
        assert [word for word in words[0] if word.startswith("--")] == ["--json"]


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("surface", {"start": "1"}, "start has 1 numbers: must have 2"),
        ("surface", {"domain": "1,2"}, "must have 4"),
        ("surface", {"steps": "50000"}, "at most 5000"),
        ("surface", {"optimizers": ",".join(f"a{turn}" for turn in range(13))}, "13 entries: at most 12"),
        ("schedules", {"schedules": ";"}, "must name at least one"),
        ("schedules", {"schedules": ";".join(["cosine"] * 9)}, "at most 8"),
        ("depth", {"activations": "relu,tanh,gelu", "initialisations": "he,xavier,torch"}, "9 networks: a page has room for 8"),
        ("depth", {"depth": "1000"}, "at most 200"),
        ("depth", {"depth": "200", "width": "256"}, "5 draws of 200 layers of width 256 have 65,536,000 weights: at most 40,000,000"),
        ("memory", {"bits": "8"}, "have no effect without optimizers"),
        ("memory", {"batch_size": "4"}, "batch_size has no effect on a bare number"),
        ("precision", {"gradients": ",".join(["1"] * 41)}, "at most 40"),
    ],
)
def test_what_a_page_has_no_room_for_is_said(name, given, says):
    with pytest.raises(InputError, match=says):
        FIGURES[name].read(given)


@pytest.mark.parametrize(
    ("text", "says"), [("plateau", "is no function of the step"), ("cosin", "no schedule"), ("cosine:flor=1", "no setting of 'cosine'")]
)
def test_a_schedule_that_cannot_be_drawn_is_said(text, says):
    with pytest.raises(RavineError, match=says):
        FIGURES["schedules"].read({"schedules": text}).made()


def test_a_task_is_measured_in_every_precision_of_its_plans():
    settings = FIGURES["memory"].read({"task": "line", "batch_size": "4"})
    made = {}
    exec(settings.python(), made)
    assert made["found"] == figure(settings)["numbers"]
    assert settings.commands() == ["ravine figure memory line --batch-size 4 --json"]
