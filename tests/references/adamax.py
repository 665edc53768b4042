"""Adamax: Algorithm 2 of arXiv:1412.6980, with eps added to the gradient's size and coupled L2, as in torch."""

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.999))
    g = g + settings.get("weight_decay", 0.0) * w
    memory.setdefault("sizes", []).append(np.abs(g) + settings.get("eps", 1e-8))
    t = len(memory["sizes"])
    m = memory["m"] = beta1 * memory.get("m", np.zeros_like(w)) + (1 - beta1) * g
    # The recursion of u written out: the largest size seen, each shrunk by beta2 for every step since.
    u = np.max([beta2 ** (t - 1 - i) * size for i, size in enumerate(memory["sizes"])], axis=0)
    return w - lr / (1 - beta1**t) * m / u
