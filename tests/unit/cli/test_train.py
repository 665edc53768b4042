"""`ravine train`, in this process."""

import json
import os
import re
import signal

import pytest

import ravine
from ravine.base.errors import InputError
from ravine.cli.main import main
from ravine.cli.train import _folder, _hypers, _length

QUICK = ["--steps", "4", "--evaluate-every", "2"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_results_go_to_the_output_and_messages_elsewhere(tmp_path, capsys):
    assert main(["train", "line", *QUICK]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split() == ["loss"]
    assert [line.split()[0] for line in lines[1:3]] == ["validation", "test"]
    assert re.fullmatch(r"done after 4 steps, measured at the last weights; best loss \S+ at step \d", lines[3])
    assert lines[4] == "folder  line-trained"
    said = captured.err.splitlines()
    assert said[0].startswith("set: 4 steps of ")
    assert said[4].endswith(" parameters, 4 steps")
    assert [line.split()[:2] for line in said[5:7]] == [["step", "2"], ["step", "4"]]
    assert names(tmp_path / "line-trained") == ["best.safetensors", "checkpoint-000000004.safetensors", "model.safetensors"]


def test_json_stands_alone_and_names_are_free(tmp_path, capsys):
    for _ in range(2):
        assert main(["train", "line", *QUICK, "--json", "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    found = json.loads(captured.out.split("\n}\n")[1] + "\n}")
    assert found["schema"] == 1
    assert found["folder"] == "line-trained-2"
    assert found["steps"] == 4
    assert found["reason"] == "steps"
    assert [values["step"] for values in found["evaluations"]] == [2, 4]
    assert found["metrics"].keys() == {"validation", "test"}
    assert names(tmp_path) == ["line-trained", "line-trained-2"]


def test_options_reach_the_training(capsys):
    options = [
        "--optimizer",
        "sgd",
        "--lr",
        "0.1",
        "--set",
        "momentum=0.5",
        "--set",
        "nesterov=true",
        "--schedule",
        "linear",
        "--warmup",
        "0.5",
    ]
    more = ["--clip", "0", "--ema", "0.5", "--seed", "3", "--accumulate", "2", "--batch-size", "8", "--patience", "9", "--out", "here"]
    assert main(["train", "line", *QUICK, *options, *more, "--json", "--quiet"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    expected = {"optimizer": "sgd", "lr": "0.1", "hypers": "{'momentum': 0.5, 'nesterov': True}", "clip": "None", "ema": "0.5", "seed": "3"}
    expected |= {"accumulate": "2", "batch_size": "8", "patience": "9", "steps": "4"}
    assert {name: settings[name] for name in expected} == expected
    assert "warmup_length=0.5" in settings["schedule"]


def test_a_recipe_is_trained_from_its_record(capsys):
    ravine.race("line", optimizers=["momentum"], steps=20, seeds=2, lrs=[0.01], out="line.ravine")
    assert main(["train", "line", "--recipe", "line.ravine", "--json", "--quiet"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert (settings["optimizer"], settings["lr"], settings["steps"], settings["clip"]) == ("momentum", "0.01", "20", "None")


def test_a_training_goes_on_in_the_latest_folder(tmp_path, capsys):
    assert main(["train", "line", *QUICK]) == 0
    assert main(["train", "line", *QUICK]) == 0
    os.utime(tmp_path / "line-trained", (0, 0))
    capsys.readouterr()
    assert main(["train", "line", *QUICK, "--resume"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "folder  line-trained-2"
    assert "4 steps, from step 4 on" in captured.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--force"], "--force has no effect without --out"),
        (["--set", "momentum"], "--set momentum: must be NAME=VALUE. Write it like --set weight_decay=0.05."),
        (["--set", "momemtum=0.5", "--optimizer", "sgd"], "did you mean"),
        (["--precision", "fp8"], "precision='fp8': it would need a GPU with float8 products"),
        (["--steps", "5", "--epochs", "2"], "steps=5 and epochs=2 exclude each other"),
        (["--recipe", "none.ravine"], "none.ravine"),
        (["--batch-size", "0"], "batch_size=0: must be a whole number, at least 1"),
        (["--lr", "1e9", "--optimizer", "sgd", "--clip", "0", "--warmup", "0", "--steps", "60"], "the step was not taken"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(options, sentence, capsys):
    assert main(["train", "line", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = [line for line in captured.err.splitlines() if line.startswith("ravine: ")]
    assert sentence in line


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signals_have_their_statuses(number, status, monkeypatch, capsys):
    from ravine.trainer import loop

    real = loop._evaluate

    def evaluate(state, observer, *, keeps):
        real(state, observer, keeps=keeps)
        signal.raise_signal(number)

    monkeypatch.setattr(loop, "_evaluate", evaluate)
    assert main(["train", "line", *QUICK, "--quiet"]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "line-trained holds" in captured.err
    monkeypatch.undo()


def test_numbers_and_switches_are_read():
    assert _hypers(["a=0.5", "b=true", "c=False"]) == {"a": 0.5, "b": True, "c": False}
    assert _hypers(None) is None
    assert [_length(given) for given in (None, 5.0, 0.5)] == [None, 5, 0.5]
    assert type(_length(5.0)) is int
    with pytest.raises(InputError):
        _hypers(["=3"])


def test_a_folder_is_named_after_the_task(tmp_path):
    assert str(_folder("curve:two bumps/x", resume=True)) == "curve-two-bumps-x-trained"
