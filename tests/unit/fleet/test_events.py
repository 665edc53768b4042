"""Events are plain data that may cross a process."""

import dataclasses
import pickle

import numpy as np
import pytest

from ravine.fleet.events import Diverged, Evaluated, Finished, LossBlock, Started

EVENTS = [
    Started((0, 1), "loop"),
    LossBlock((0, 1), 3, np.zeros((2, 2), dtype=np.float32)),
    Evaluated((0, 1), 5, "test", {"loss": np.zeros(2)}),
    Diverged(1, 4, "its loss was nan"),
    Finished((0, 1), 0.5),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_pickling(event):
    back = pickle.loads(pickle.dumps(event))
    assert type(back) is type(event)
    assert repr(back) == repr(event)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_cannot_be_changed(event):
    with pytest.raises(AttributeError):
        setattr(event, dataclasses.fields(event)[0].name, None)
