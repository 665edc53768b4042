"""ADOPT: Algorithm 2 of arXiv:2411.02853 and its clipped form with c_t = t^0.25; t counts from the second gradient."""

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.9999))
    decay, is_decoupled = settings.get("weight_decay", 0.0), settings.get("decoupled", False)
    g = g if is_decoupled else g + decay * w
    if "v" not in memory:
        memory.update(t=0, m=np.zeros_like(w), v=g**2)
        return w
    t = memory["t"] = memory["t"] + 1
    scaled = g / np.maximum(np.sqrt(memory["v"]), settings.get("eps", 1e-6))
    if not settings.get("unclipped", False):
        bound = t ** settings.get("clip", 0.25)
        scaled = np.clip(scaled, -bound, bound)
    memory["m"] = beta1 * memory["m"] + (1 - beta1) * scaled
    memory["v"] = beta2 * memory["v"] + (1 - beta2) * g**2
    start = w * (1 - lr * decay) if is_decoupled else w
    return start - lr * memory["m"]
