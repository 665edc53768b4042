"""LARS: Algorithm 1 of arXiv:1708.03888, whose rate stands inside the momentum; other forms as the settings name them."""

import numpy as np


def update(settings, w, g, memory, lr):
    beta, eta, eps = settings.get("weight_decay", 0.0), settings.get("trust_coefficient", 1e-3), settings.get("eps", 1e-8)
    size, slope = np.sqrt(np.sum(w**2)), np.sqrt(np.sum(g**2))
    local = eta * size / (slope + beta * size + eps)
    if settings.get("norm_of_sum", False):
        local = eta * size / (np.sqrt(np.sum((g + beta * w) ** 2)) + eps)
    if settings.get("skips_vectors", False) and w.ndim < 2:
        local = 1.0
    if settings.get("lr_outside", False):
        memory["v"] = settings.get("momentum", 0.9) * memory.get("v", 0.0) + local * (g + beta * w)
        return w - lr * memory["v"]
    memory["v"] = settings.get("momentum", 0.9) * memory.get("v", 0.0) + lr * local * (g + beta * w)
    return w - memory["v"]
