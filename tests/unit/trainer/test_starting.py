"""The door: what lies in the folder, and whose recipe it is."""

from types import SimpleNamespace

import pytest

import ravine
from ravine.base.errors import InputError
from ravine.tasks import load
from ravine.trainer import Noted, Options
from ravine.trainer.starting import begin


def test_what_is_there_is_neither_overwritten_nor_gone_on_with_unasked(tmp_path):
    ravine.train("line", steps=3, out=tmp_path)
    held = r"holds a training \(checkpoint-000000003\.safetensors\)"
    with pytest.raises(InputError, match=held + r"\. Give resume \(--resume\) to go on with it, force \(--force\) to replace it"):
        ravine.train("line", steps=3, out=tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    ravine.train("line", steps=4, out=tmp_path, force=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["best.safetensors", "checkpoint-000000004.safetensors", "model.safetensors", "notes.txt"]


def test_resuming_where_nothing_lies_begins(tmp_path):
    assert ravine.train("line", steps=3, out=tmp_path / "new" / "folder", resume=True).step == 3


def test_contradictions_are_said(tmp_path):
    with pytest.raises(InputError, match=r"resume=True without out"):
        ravine.train("line", resume=True)
    with pytest.raises(InputError, match=r"resume and force exclude each other"):
        ravine.train("line", out=tmp_path, resume=True, force=True)
    with pytest.raises(InputError, match=r"save_s=-1: must be at least 0"):
        ravine.train("line", out=tmp_path, save_s=-1)


def test_a_recipe_of_another_task_is_remarked_on():
    recipe = SimpleNamespace(
        optimizer="sgd", lr=0.01, schedule="constant", hypers={}, steps=3, warmup=0, batch_size=16, race_seed=0, seed=1, task=load("digits")
    )
    said = []
    begin(load("line"), Options(), recipe, observer=said.append)
    assert said[0] == Noted("the recipe was raced on digits, not on line: it holds for that model, data and batch size")


def test_a_label_out_of_range_is_said_before_the_first_step():
    import torch
    from torch import nn

    from ravine.base.errors import RavineError

    pair = torch.zeros(8, 2), torch.full((8,), 7)
    task = ravine.Task("labels", lambda: nn.Linear(2, 3), pair, pair, nn.functional.cross_entropy)
    with pytest.raises(RavineError, match="7"):
        ravine.train(task, steps=2)
