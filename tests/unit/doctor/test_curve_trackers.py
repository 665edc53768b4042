"""Logs of TensorBoard and W&B, written by their own libraries or in their own framing."""

import json
import struct

import numpy as np
import pytest

from ravine.base.errors import InputError
from ravine.doctor.curve_files import read_curve


def events(folder, values, tag="train/loss", first=0):
    from ravine.report.runs import TensorBoardRun

    run = TensorBoardRun(folder)
    for step, value in enumerate(values, first):
        run.log(step, {tag: value, "validation/loss": 2 * value})
    run.finish()


def test_a_folder_of_tensorboard(tmp_path):
    events(tmp_path / "run", [2.0, float("nan"), 0.5])
    curve = read_curve(tmp_path)
    assert (curve.kind, curve.losses.name, curve.losses.steps.tolist()) == ("TensorBoard", "train/loss", [0, 1, 2])
    np.testing.assert_array_equal(curve.losses.values, [2.0, np.nan, 0.5])
    assert curve.evaluations["loss"].values[0] == 4.0


def test_of_several_runs_one_must_be_given(tmp_path):
    for name in "ab":
        events(tmp_path / name, [1.0])
    with pytest.raises(InputError, match=r"holds 2 runs \(a, b\): give the folder of one, as in --curve "):
        read_curve(tmp_path)
    assert read_curve(tmp_path / "b").losses.values.tolist() == [1.0]


def log_of(rows):
    """A run of W&B: its messages, in blocks of 32 KiB as LevelDB frames them."""
    messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    log = bytearray(b"\0" * 7)
    for step, row in rows:
        message = messages.Record()
        message.history.step.num = step
        for name, value in row.items():
            item = message.history.item.add()
            item.key, item.value_json = name, json.dumps(value)
        data, kind = message.SerializeToString(), 1
        while True:
            left = 32768 - len(log) % 32768
            if left < 7:
                log += b"\0" * left
                continue
            part, data = data[: left - 7], data[left - 7 :]
            begun = kind in (1, 2)
            log += struct.pack("<IHB", 0, len(part), (2 if data else 1) if begun else (3 if data else 4)) + part
            if not data:
                break
            kind = 3
    return bytes(log)


def test_a_run_of_wandb_over_several_blocks(tmp_path):
    rows = [(step, {"loss": 1.0 / (step + 1), "_step": step, "note": "x" * 3000, "val/loss": float("nan")}) for step in range(30)]
    (tmp_path / "offline-run-1").mkdir()
    file = tmp_path / "offline-run-1" / "run-1.wandb"
    file.write_bytes(log_of(rows))
    curve = read_curve(tmp_path)
    assert (curve.kind, curve.losses.steps.tolist()) == ("W&B", list(range(30)))
    assert curve.losses.values.tolist() == [1.0 / (step + 1) for step in range(30)]
    assert np.isnan(curve.evaluations["loss"].values).all()
    file.write_bytes(file.read_bytes()[:-50])  # a run that was killed
    assert len(read_curve(file).losses.values) == 29
