"""Adam: Algorithm 1 of arXiv:1412.6980; AMSGrad's maximum over the uncorrected second moment, as in torch, or optax's.

AdamW: Algorithm 2 of arXiv:1711.05101, whose schedule multiplier is torch's lr.
"""

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.999))
    g = g + settings.get("weight_decay", 0.0) * w
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["m"] = beta1 * memory.get("m", np.zeros_like(w)) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", np.zeros_like(w)) + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    if settings.get("amsgrad", False):
        largest = v_hat if settings.get("corrected_maximum", False) else v
        largest = memory["largest"] = np.maximum(memory.get("largest", np.zeros_like(w)), largest)
        v_hat = largest if settings.get("corrected_maximum", False) else largest / (1 - beta2**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + settings.get("eps", 1e-8))


def decoupled_update(settings, w, g, memory, lr):
    decay = settings.get("weight_decay", 1e-2)
    return update({**settings, "weight_decay": 0.0}, w, g, memory, lr) - lr * decay * w
