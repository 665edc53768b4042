"""`ravine train`, in this process."""

import json
import re
import shutil
import signal
from types import SimpleNamespace

import pytest

import ravine
from ravine.base.errors import InputError
from ravine.cli.main import main
from ravine.cli.train import _folder, _hypers, _length, _schedule

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
    assert said[1].startswith("set: adamw at lr 0.001 (beta1 0.9, beta2 0.999, eps 1e-08, weight_decay 0.1, driver auto, decay on")
    assert said[5].endswith(" parameters, 4 steps")
    assert [line.split()[:2] for line in said[6:8]] == [["step", "2"], ["step", "4"]]
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


def test_snapshots_are_told_beside_the_last_model(tmp_path, capsys):
    options = ["--steps", "4", "--snapshots", "2", "--out", "here"]
    assert main(["train", "line", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" ")[0].strip() for line in lines[1:5]] == [
        "validation",
        "test",
        "validation, 2 snapshots",
        "test, 2 snapshots",
    ]
    assert lines[5] == "snapshots at steps 2, 4: their prediction is the mean of outputs"
    assert main(["train", "line", *options, "--force", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)["ensemble"]
    assert (found["snapshots"], found["prediction"]) == ([2, 4], "mean of outputs")
    assert found["metrics"].keys() == {"validation", "test"}


def test_schedules_of_other_hypers(capsys):
    given = ["--schedule", "plateau:patience=3", "--schedule", "weight_decay=linear", "--log", "tensorboard"]
    assert main(["train", "line", *QUICK, *given, "--json", "--quiet"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert settings["plateau"].startswith("Plateau(factor=0.1, patience=3")
    assert "'weight_decay': Linear(" in settings["others"]


def test_schedules_are_read():
    assert _schedule(None) is None
    assert _schedule(["cosine:floor=0.1"]) == _schedule(["lr=cosine:floor=0.1"]) == "cosine:floor=0.1"
    assert _schedule(["betas[0]=one_cycle", "one_cycle"]) == {"betas[0]": "one_cycle", "lr": "one_cycle"}
    for given, sentence in (
        (["=cosine"], "--schedule =cosine: must be NAME or KEY=NAME. Write it like cosine or weight_decay=linear"),
        (["cosine", "linear"], "--schedule linear: lr has one already"),
    ):
        with pytest.raises(InputError, match=sentence):
            _schedule(given)


def test_a_recipe_is_trained_from_its_record(capsys):
    ravine.race("line", optimizers=["momentum"], steps=20, seeds=2, lrs=[0.01], out="line.ravine")
    assert main(["train", "line", "--recipe", "line.ravine", "--json", "--quiet"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert (settings["optimizer"], settings["lr"], settings["steps"], settings["clip"]) == ("momentum", "0.01", "20", "None")


def test_a_recipe_of_another_task_is_said_to_be_one(capsys):
    ravine.race("line", optimizers=["sgd"], steps=4, seeds=1, lrs=[0.1], out="line.ravine")
    assert main(["train", "line", "--recipe", "line.ravine", "--steps", "2"]) == 0
    assert "was tuned on" not in capsys.readouterr().err
    for task in ("line:noise=0.5", "curve"):
        assert main(["train", task, "--recipe", "line.ravine", "--steps", "2"]) == 0
        assert f"recipe  line.ravine was tuned on line: its rate may be far off for {task}\n" in capsys.readouterr().err
        assert main(["train", task, "--recipe", "line.ravine", "--steps", "2", "--quiet"]) == 0
        assert capsys.readouterr().err == ""


def test_a_training_goes_on_in_the_folder_that_was_saved_last(tmp_path, capsys):
    """Whenever folders were touched or copied, whichever are gone, and whatever else has such a name."""
    for _ in range(3):
        assert main(["train", "line", *QUICK]) == 0
    shutil.rmtree(tmp_path / "line-trained-2")
    shutil.copytree(tmp_path / "line-trained", tmp_path / "line-trained-4", copy_function=shutil.copy)
    shutil.copytree(tmp_path / "line-trained-3", tmp_path / "line-trained-5", copy_function=shutil.copy)
    for name in ("line-trained-6", "line-trained-old", "line-trained-007"):
        (tmp_path / name).mkdir()
    ravine.train("line:noise=0", steps=4, out=tmp_path / "line-trained-7")
    (tmp_path / "line-trained-8").write_text("no folder")
    capsys.readouterr()
    assert main(["train", "line", *QUICK, "--resume"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1] == "folder  line-trained-3"
    assert "4 steps, from step 4 on" in captured.err


def test_what_could_not_begin_leaves_no_folder(tmp_path, capsys):
    assert main(["train", "line", *QUICK, "--set", "state_dtype=4bit"]) == 2
    assert main(["train", "line", *QUICK, "--resume", "--set", "driver=forech"]) == 2
    assert "no driver is called 'forech'; did you mean 'foreach'?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--force"], "--force has no effect without --out"),
        (["--set", "momentum"], "--set momentum: must be NAME=VALUE. Write it like --set weight_decay=0.05."),
        (["--set", "momentum=high"], "--set momentum=high: must be a number, true or false. Write it like --set weight_decay=0.05."),
        (["--set", "momemtum=0.5", "--optimizer", "sgd"], "did you mean"),
        (["--precision", "fp8"], "precision='fp8': it would need a GPU with float8 products"),
        (["--steps", "5", "--epochs", "2"], "steps=5 and epochs=2 exclude each other"),
        (["--recipe", "none.ravine"], "none.ravine"),
        (["--schedule", "cosin"], "no schedule is called 'cosin'; did you mean 'cosine'"),
        (["--schedule", "momentum=linear"], "no setting of param group 0 is called 'momentum'"),
        (["--snapshots", "2", "--schedule", "linear"], "snapshots=2 with the schedule linear: snapshots are taken where the cycles"),
        (["--recipe", "notes.txt"], "notes.txt is not a ravine record; give a file that `ravine race --out` wrote"),
        (["--out", "notes.txt/x"], "notes.txt/x cannot be written: Not a directory; give another folder with out"),
        (["--lr", "nan"], "'--lr': 'nan' is not a number. Give one, such as 0.01 or 1e-2"),
        (["--warmup", "20", "--steps", "20"], "warmup=20 is 20 steps of a horizon of 20: must be shorter"),
        (["--log", "tensorbord"], "no tracker is called 'tensorbord'; did you mean 'tensorboard'?"),
        (["--batch-size", "0"], "batch_size=0: must be a whole number, at least 1"),
        (["--lr", "1e9", "--optimizer", "sgd", "--clip", "0", "--warmup", "0", "--steps", "60"], "the step was not taken"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(options, sentence, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("nothing that ravine wrote")
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
    given = ["a=0.5", "b=true", "c=False", "driver=foreach", "state_dtype=8bit"]
    assert _hypers(given) == {"a": 0.5, "b": True, "c": False, "driver": "foreach", "state_dtype": "8bit"}
    assert _hypers(None) is None
    assert [_length(given) for given in (None, 5.0, 0.5)] == [None, 5, 0.5]
    assert type(_length(5.0)) is int
    with pytest.raises(InputError):
        _hypers(["=3"])


def test_a_folder_is_named_after_the_task():
    named = SimpleNamespace(name="curve:two bumps/x")
    assert str(_folder(named, resume=True)) == str(_folder(named, resume=False)) == "curve-two-bumps-x-trained"
