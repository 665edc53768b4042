"""Adagrad: the diagonal update of Duchi, Hazan and Singer (2011), Figure 1, with torch's rate decay and coupled L2."""

import numpy as np


def update(settings, w, g, memory, lr):
    g = g + settings.get("weight_decay", 0.0) * w
    memory["count"] = memory.get("count", 0) + 1
    start = settings.get("initial_accumulator_value", 0.0)
    # The paper's s is the norm of the column of gradients seen so far, so the list is kept whole.
    memory.setdefault("squares", []).append(g**2)
    s = np.sqrt(start + sum(memory["squares"]))
    rate = lr / (1 + (memory["count"] - 1) * settings.get("lr_decay", 0.0))
    return w - rate * g / (settings.get("eps", 1e-10) + s)
