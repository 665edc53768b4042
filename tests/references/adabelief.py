"""AdaBelief: Algorithm 2 of arXiv:2010.07468; with `rectify`, its step as RAdam's."""

import numpy as np

from references.radam import rectification


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.999))
    eps = settings.get("eps", 1e-16)
    start = w - lr * settings.get("weight_decay", 0.0) * w
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["m"] = beta1 * memory.get("m", np.zeros_like(w)) + (1 - beta1) * g
    s = memory["s"] = beta2 * memory.get("s", np.zeros_like(w)) + (1 - beta2) * (g - m) ** 2 + eps
    m_hat, s_hat = m / (1 - beta1**t), s / (1 - beta2**t)
    if not settings.get("rectify", False):
        return start - lr * m_hat / (np.sqrt(s_hat) + eps)
    r = rectification(beta2, t)
    return start - lr * m_hat if r is None else start - lr * r * m_hat * np.sqrt(1 - beta2**t) / (np.sqrt(s) + eps)
