"""`ravine figure`: each figure's table, numbers and picture, and bad input in one sentence."""

import json

import pytest

from ravine.cli.figure import COMMANDS
from ravine.cli.main import main

QUICK = {
    "loss-shapes": [],
    "loss-scaling": [],
    "depth": ["--depth", "3", "--width", "4", "--seeds", "2"],
    "time": ["--steps", "3", "--width", "4", "--seeds", "2"],
    "memory": [],
    "schedules": ["cosine,wsd", "--horizon", "50"],
    "internals": ["line", "--steps", "3"],
}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def out(capsys, *arguments):
    assert main(["figure", *arguments]) == 0
    return capsys.readouterr().out


def numbers(capsys, *arguments):
    return json.loads(out(capsys, *arguments, "--json"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_figure_is_drawn_and_its_numbers_are_plain(capsys, tmp_path, name):
    text = out(capsys, name, *QUICK[name], "-o", "f.png", "--dark")
    assert text.endswith("figure  f.png\n")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    found = numbers(capsys, name, *QUICK[name])
    assert (found["schema"], found["figure"]) == (1, "depth" if name == "time" else name)
    out(capsys, name, *QUICK[name], "-o", "f.json")
    assert json.loads((tmp_path / "f.json").read_text()) == found, "the same command, the same numbers"


def test_losses_at_given_probabilities(capsys):
    found = numbers(capsys, "loss-shapes", "--losses", "squared", "--at", "0.01,0.5")
    assert found["p"] == [0.01, 0.5]
    assert found["losses"]["squared"]["values"][1] == 0.25
    assert len(numbers(capsys, "loss-shapes", "--losses", "squared")["p"]) > 100
    assert "0.9801" in out(capsys, "loss-shapes")


def test_gradients_of_one_s_own_and_powers_of_two(capsys):
    found = numbers(capsys, "loss-scaling", "--gradients", "1e-9,1", "--formats", "fp16", "--scales", "2^10")
    assert [(cast["scale"], cast["fates"]) for cast in found["casts"]] == [(1024.0, ["coarse", "survives"])]
    found = numbers(capsys, "loss-scaling", "line", "--after", "2", "--formats", "bf16")
    assert (found["source"], found["count"]) == ("line, after 2 steps", 2)


def test_parts_of_networks_are_crossed(capsys):
    wanted = ("--activations", "relu,tanh", "--normalisations", "none,layer", "--residual")
    found = numbers(capsys, "depth", *QUICK["depth"], *wanted)
    labels = ["relu, he", "relu, he, layer norm", "tanh, he", "tanh, he, layer norm"]
    assert [one["label"] for one in found["networks"]] == [f"{label}, residual" for label in labels]
    assert [one["label"] for one in numbers(capsys, "depth", *QUICK["depth"], "--plain")["networks"]] == ["relu, he"]


def test_cells_are_crossed_with_gains_and_clipped(capsys):
    found = numbers(capsys, "time", *QUICK["time"], "--cells", "gru", "--gains", "1,2", "--clip", "0.5")
    assert [(one["label"], one["clip"]) for one in found["networks"]] == [("gru, gain 1", 0.5), ("gru, gain 2", 0.5)]
    assert [one["clip"] for one in numbers(capsys, "time", *QUICK["time"], "--gains", "1", "--no-clip")["networks"]] == [None] * 3


def test_memory_of_chosen_plans(capsys):
    found = numbers(capsys, "memory", "line", "--optimizers", "sgd,adamw", "--zero", "1", "--shards", "2")
    assert [plan["optimizer"] for plan in found["plans"]] == ["sgd", "adamw"]
    assert found["model"]["trainable"] == 2
    assert "activations" in found["plans"][0]["bytes"]


def test_an_optimiser_from_inside(capsys):
    found = numbers(capsys, "internals", "line", "--optimizer", "momentum", "--lr", "0.5", "--steps", "4")
    assert (found["optimizer"], found["lr"], len(found["losses"]), list(found["states"])) == ("momentum", 0.5, 4, ["m"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dept"], "no figure is called 'dept'; did you mean 'depth'? See: ravine figure --help"),
        (["depth", "-o", "nowhere/d.png"], "nowhere/d.png cannot be written: the folder nowhere does not exist"),
        (["depth", "-o", "d.bmp"], "d.bmp: a figure's name must end in .json, .pdf, .png, .svg"),
        (["depth", "--depth", "0"], "depth=0: must be a whole number, at least 1"),
        (["depth", "--activations", "relo"], "no activation is called 'relo'; did you mean 'relu'"),
        (
            ["depth", "--activations", "linear,sigmoid,tanh,relu,gelu,silu", "--normalisations", "none,layer,rms"],
            "18 of them: a figure has",
        ),
        (["loss-shapes", "--at", "1"], "p=1.0: must be above 1e-300 and below 1"),
        (["loss-shapes", "--at", "half"], "--at half: must be numbers separated by commas"),
        (["loss-shapes", "--losses", "hinge"], "no loss is called 'hinge'"),
        (["loss-scaling", "line", "--gradients", "1"], "both the task line and --gradients: must be one of them. Leave one out."),
        (["loss-scaling", "--after", "3"], "--after has no effect without a TASK. Leave it out, or give one."),
        (["loss-scaling", "--scales", "0"], "scale=0.0: must be above 0"),
        (["loss-scaling", "--scales", "9^999999"], "--scales 9^999999: must be numbers separated by commas"),
        (["time", "--clip", "1", "--no-clip"], "--clip 1 and --no-clip exclude each other"),
        (["memory", "--zero", "1"], "--precision, --bits, --weights, --zero and --shards have no effect without --optimizers"),
        (["memory", "line", "--params", "5"], "both the task line and --params: must be one of them"),
        (["memory", "--params", "0"], "params=0.0: must be at least 1"),
        (["schedules", "cosin"], "no schedule is called 'cosin'; did you mean 'cosine'"),
        (["schedules", "--horizon", "1"], "--horizon=1: must be a whole number, at least 2"),
        (["internals", "digit"], "no task is called 'digit'; did you mean 'digits'"),
        (["internals", "line", "--optimizer", "sophia_g"], "optimizer='sophia_g' steps by estimates of the curvature"),
    ],
    ids=[
        *("figure", "nowhere", "format", "no-layers", "activation", "too-many", "sure", "no-number", "loss", "both", "after", "no-scale"),
        *("huge-scale", "clip", "no-plan", "both-models", "no-parameters", "schedule", "horizon", "task", "curvature"),
    ],
)
def test_bad_input_is_one_sentence(capsys, tmp_path, arguments, message):
    assert main(["figure", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []
