"""LAMB: Algorithm 2 of arXiv:1904.00962 with phi the identity; the quotient is 1 where a norm is 0."""

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.999))
    decay = settings.get("weight_decay", 1e-2)
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["m"] = beta1 * memory.get("m", np.zeros_like(w)) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", np.zeros_like(w)) + (1 - beta2) * g**2
    r = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + settings.get("eps", 1e-6))
    step = r + decay * w
    size, length = np.sqrt(np.sum(w**2)), np.sqrt(np.sum(step**2))
    ratio = size / length if size > 0 and length > 0 else 1.0
    if settings.get("trust_clip", False):
        ratio = min(ratio, 1.0)
    if settings.get("adapts_decayed_only", False) and decay == 0:
        ratio = 1.0
    return w - lr * ratio * step
