"""Lion: the update written line by line from Algorithm 2 of arXiv:2302.06675."""

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.99))
    decay = settings.get("weight_decay", 0.0)
    m = memory.get("m", np.zeros_like(w))
    c = beta1 * m + (1 - beta1) * g
    new_w = w - lr * (np.sign(c) + decay * w)
    memory["m"] = beta2 * m + (1 - beta2) * g
    return new_w
