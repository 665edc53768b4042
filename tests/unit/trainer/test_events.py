"""What observers are told, and in which order the docstring promises it."""

import math
import re

import torch
from torch import nn

import ravine
from ravine.trainer import events, loop


def test_events_come_in_the_order_of_the_pseudocode(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "COST_SHARE", math.inf)
    seen = []
    ravine.train("line", steps=4, evaluate_every=2, out=tmp_path, save_s=0.0, observer=seen.append)
    names = [type(event).__name__ for event in seen]
    one = ["Stepped", "Saved"]
    assert names == ["Began", *one, "Stepped", "Evaluated", "Saved", *one, "Stepped", "Evaluated", "Saved", "Ended", "Evaluated"]
    assert [event.step for event in seen if isinstance(event, events.Stepped)] == [1, 2, 3, 4]
    assert seen[-1].split == "test"


def test_a_step_is_told_with_what_it_did():
    seen = []
    trained = ravine.train("line", steps=3, schedule="constant", warmup=0, lr=0.01, observer=seen.append)
    steps = [event for event in seen if isinstance(event, events.Stepped)]
    assert [event.loss for event in steps] == list(trained.history.loss)
    assert [event.norm for event in steps] == list(trained.history.norm)
    assert {event.lr for event in steps} == {0.01}
    assert {event.examples for event in steps} == {trained.settings.batch_size}


def test_the_docstring_names_every_event():
    kinds = {kind.__name__ for kind in events.Event.__args__}
    assert kinds <= set(re.findall(r"[A-Z]\w+", events.__doc__))


def test_an_observer_changes_no_bit():
    quiet = ravine.train("line", steps=5)
    loud = ravine.train("line", steps=5, observer=lambda event: torch.rand(3))
    for name, value in quiet.model.state_dict().items():
        assert torch.equal(value, loud.model.state_dict()[name])
    assert isinstance(loud.model, nn.Module)
    assert events.unobserved(events.Ended(1, "steps")) is None
