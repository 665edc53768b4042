"""`ravine surface slice:TASK`: which models, which slice."""

import json

import pytest

import ravine
from ravine.cli import _slicing
from ravine.cli.main import main
from ravine.tasks import load


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two trainings of a line, the first with snapshots."""
    folder = tmp_path_factory.mktemp("runs")
    ravine.train("line", steps=24, snapshots=4, out=folder / "a", check=False, optimizer="sgd", lr=0.05)
    ravine.train("line", steps=8, out=folder / "b", check=False, seed=1)
    return folder


def sliced(capsys, *arguments):
    assert main(["surface", *arguments, "--points", "5", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    assert main(["surface", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    return captured.err


def test_around_a_training_in_a_folder(capsys, runs):
    found = sliced(capsys, "slice:line", "--of", str(runs / "a"))
    assert (found["kind"], len(found["losses"]), len(found["losses"][0])) == ("around", 5, 5)
    assert found["losses"][2][2] == pytest.approx(found["path_losses"][0], rel=1e-5)


def test_along_one_direction(capsys, runs):
    found = sliced(capsys, "slice:line", "--of", str(runs / "b"), "--dimensions", "1", "--span", "0.5")
    assert found["y"] is None
    assert found["x"] == [-0.5, -0.25, 0.0, 0.25, 0.5]


def test_the_line_between_two(capsys, runs):
    found = sliced(capsys, "slice:line", "--of", str(runs / "a"), "--of", str(runs / "b" / "model.safetensors"))
    assert found["kind"] == "between"
    assert found["barrier"] is not None


def test_the_plane_of_a_trajectory(capsys, runs):
    found = sliced(capsys, "slice:line", "--of", str(runs / "a"), "--trajectory")
    assert found["kind"] == "trajectory"
    assert len(found["path"]) == 4


def test_three_models_make_a_plane(capsys, runs):
    files = sorted((runs / "a").glob("snapshot-*"))[:3]
    found = sliced(capsys, "slice:line", *[word for file in files for word in ("--of", str(file))])
    assert len(found["path"]) == 3


def test_without_a_model_the_task_is_trained_first(capsys):
    found = sliced(capsys, "slice:line", "--steps", "3", "--seed", "2")
    model = ravine.train("line", steps=3, seed=2, check=False).model
    x, y = load("line").data.train
    assert found["path_losses"][0] == pytest.approx(((model(x) - y) ** 2).mean().item(), rel=1e-5)


def test_a_picture(capsys, runs, tmp_path):
    path = tmp_path / "s.png"
    assert main(["surface", "slice:line", "--of", str(runs / "a"), "--points", "5", "-o", str(path)]) == 0
    assert "Loss of the model" in capsys.readouterr().out
    assert path.stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--of", "nowhere"], "--of nowhere does not exist. Give the folder (--out) of a training"),
        (["--of", "{b}", "--trajectory"], "holds 0 snapshots: a plane needs 3. Train with more"),
        (["--trajectory"], "--trajectory with 0 --of: must be one folder"),
        (["--of", "{a}", "--steps", "5"], "--steps has no effect with --of"),
        (["--of", "{a}", "--of", "{b}", "--span", "2"], "--span has no effect on several models"),
        (["--of", "{empty}"], "holds no finished training"),
    ],
)
def test_bad_input(capsys, runs, tmp_path, arguments, words):
    places = {"a": runs / "a", "b": runs / "b", "empty": tmp_path}
    assert words in refused(capsys, "slice:line", *[word.format(**places) for word in arguments])


def test_weights_of_another_task(capsys, runs):
    assert "is of another model" in refused(capsys, "slice:digits", "--of", str(runs / "a"))


def test_an_unknown_task_offers_the_nearest(capsys):
    assert "did you mean 'digits'" in refused(capsys, "slice:digitz")


def test_the_prefix_is_no_surface():
    assert _slicing.PREFIX.rstrip(":") not in ravine.surfaces.names()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--points", "1", "at least 2"), ("--points", "502", "at most 501"), ("--dimensions", "3", "at most 2"), ("--span", "0", "above 0")],
)
def test_what_no_slice_can_be_is_told_before_a_model_is_trained(capsys, monkeypatch, option, value, words):
    monkeypatch.setattr(_slicing, "_trained", lambda *_: pytest.fail("a model was trained first"))
    assert words in refused(capsys, "slice:line", option, value)
