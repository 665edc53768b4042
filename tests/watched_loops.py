"""A training loop that was watched, made up: healthy unless something of it is replaced."""

import numpy as np

from ravine.doctor.loop_log import Looked, LoopLog
from ravine.doctor.sampling import Measured


def measured(**changes):
    given = {"gradients": [1.0, 2.0], "updates": [1e-3, 1e-3], "has_gradient": [True, True], "passes": 1, "small": None, "big": None}
    given |= {"raw": 2.2, "was_zeroed": True, "was_edited": False, "weight": None, "classes": None, "is_closed": False}
    return Measured(**given | changes)


def log(**changes):
    """A run of 600 steps, looked at every 100, whose loss falls from 2 to 1."""
    given = LoopLog(("a.weight", "b.weight"), {"a.weight": "matrix", "b.weight": "output"})
    given.losses = np.linspace(2.0, 1.0, 600).tolist()
    given.looks = [Looked(100 * number, measured(), 0.1) for number in range(6)]
    given.rates = [(look.step, look.lr) for look in given.looks]
    for name, value in changes.items():
        setattr(given, name, value)
    return given
