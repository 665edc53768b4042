"""Curves from CSV and JSON: usual names, names of one's own, words for numbers, and what is refused."""

import json

import numpy as np
import pytest

from ravine.base.errors import InputError, UnknownNameError
from ravine.doctor.curve_files import read_curve


def written(folder, text, name="run.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_the_usual_names_are_known(tmp_path):
    curve = read_curve(written(tmp_path, "step,train_loss,val_loss,val_acc,note\n0,2.0,2.1,0.1,a\n10,1.0,,,\n20,0.5,0.9,0.6,b\n"))
    assert (curve.losses.name, curve.losses.steps.tolist(), curve.losses.values.tolist()) == ("train_loss", [0, 10, 20], [2.0, 1.0, 0.5])
    assert {role: (one.name, one.steps.tolist()) for role, one in curve.evaluations.items()} == {
        "loss": ("val_loss", [0, 20]),
        "accuracy": ("val_acc", [0, 20]),
    }


def test_an_export_of_wandb_and_other_separators(tmp_path):
    curve = read_curve(written(tmp_path, 'Step;"run-1 - train/loss";"run-1 - train/loss__MIN"\n1;2;2\n2;1;1\n'))
    assert (curve.losses.name, curve.losses.values.tolist()) == ("run-1 - train/loss", [2.0, 1.0])
    both = written(tmp_path, "Step,a - loss,b - loss\n1,2,3\n", "both.csv")
    with pytest.raises(InputError, match=r"holds several runs \('a - loss', 'b - loss'\): name the column of one"):
        read_curve(both)
    assert read_curve(both, {"loss": "b - loss"}).losses.values.tolist() == [3.0]


def test_words_for_numbers_that_are_none_are_kept(tmp_path):
    values = read_curve(written(tmp_path, "step,loss\n1,nan\n2,NaN\n3,inf\n4,-Infinity\n5,1\n")).losses.values
    np.testing.assert_array_equal(values, [np.nan, np.nan, np.inf, -np.inf, 1])


def test_rows_are_counted_where_no_column_does(tmp_path):
    assert read_curve(written(tmp_path, "loss\n3\n2\n1\n")).losses.steps.tolist() == [0, 1, 2]
    again = written(tmp_path, "step,loss\n5,3\n5,2\n", "again.csv")
    assert read_curve(again, {"step": ""}).losses.steps.tolist() == [0, 1]


def test_the_state_of_a_trainer(tmp_path):
    history = [{"loss": 2.0, "step": 10, "epoch": 0.1}, {"eval_loss": 1.5, "eval_accuracy": 0.4, "step": 10}, {"loss": 1.0, "step": 20}]
    curve = read_curve(written(tmp_path, json.dumps({"log_history": history, "best_metric": None}), "trainer_state.json"))
    assert (curve.losses.steps.tolist(), curve.evaluations["loss"].values.tolist()) == ([10, 20], [1.5])
    assert curve.evaluations["accuracy"].name == "eval_accuracy"
    lines = "\n".join(json.dumps(row) for row in history)
    assert read_curve(written(tmp_path, lines, "log.jsonl")).losses.values.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("name", "text", "columns", "message"),
    [
        ("a.csv", "step,acc\n1,2\n", {}, r"has no column for the training loss: it has 'acc'\. Name it, as in --columns loss=acc"),
        ("a.csv", "step,loss\n1,2\n2,abc\n", {}, r"a.csv, line 3: 'abc' in column 'loss' is no number\. Write nan"),
        ("a.csv", "step,loss\nx,2\n", {}, r"a.csv, line 2: the step 'x' in column 'step' is no number"),
        ("a.csv", "", {}, "is empty: give a file with a heading"),
        ("a.json", "{", {}, "is no JSON"),
        ("a.json", "{}", {}, "must be a list of rows"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, name, text, columns, message):
    with pytest.raises(InputError, match=message):
        read_curve(written(tmp_path, text, name), columns)


def test_unknown_names_are_answered_with_the_nearest(tmp_path):
    path = written(tmp_path, "step,loss\n1,2\n")
    with pytest.raises(UnknownNameError, match="'los'; did you mean 'loss'"):
        read_curve(path, {"loss": "los"})
    with pytest.raises(UnknownNameError, match="did you mean 'step'"):
        read_curve(path, {"step": "stp"})
    with pytest.raises(UnknownNameError, match="did you mean 'val_loss'"):
        read_curve(path, {"valloss": "loss"})


def test_what_is_no_log_is_told(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_curve(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="a folder without TensorBoard events or a run of W&B"):
        read_curve(tmp_path)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="cannot be read: it is no text"):
        read_curve(tmp_path / "b.csv")
