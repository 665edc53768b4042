"""Sophia: Algorithm 3 of arXiv:2305.14342, with gamma called rho; the estimate of a step is at hand where there is one."""

import numpy as np


def update(settings, w, g, memory, lr, estimate=None):
    beta1, beta2 = settings["betas"]
    memory["m"] = beta1 * memory.get("m", 0 * w) + (1 - beta1) * g
    memory.setdefault("h", 0 * w)
    if estimate is not None:
        memory["h"] = beta2 * memory["h"] + (1 - beta2) * estimate
    w = w - lr * settings["weight_decay"] * w
    ratio = memory["m"] / np.maximum(settings["rho"] * settings.get("bs", 1.0) * memory["h"], settings.get("eps", 1e-12))
    return w - lr * np.clip(ratio, -1.0, 1.0)
