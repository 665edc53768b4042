"""RAdam: Algorithm 2 of arXiv:1908.03265 with the threshold 5 of its code, and decay of both kinds."""

import numpy as np


def rectification(beta2, t):
    """r_t, or None where the length of the average is too short."""
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    if rho <= 5:
        return None
    return np.sqrt(((rho - 4) * (rho - 2) * rho_inf) / ((rho_inf - 4) * (rho_inf - 2) * rho))


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.999))
    decay, is_decoupled = settings.get("weight_decay", 0.0), settings.get("decoupled_weight_decay", False)
    start = w * (1 - lr * decay) if is_decoupled else w
    g = g if is_decoupled else g + decay * w
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["m"] = beta1 * memory.get("m", np.zeros_like(w)) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", np.zeros_like(w)) + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    r = rectification(beta2, t)
    if r is None:
        return start - lr * m_hat
    adaptive = np.sqrt(1 - beta2**t) / (np.sqrt(v) + settings.get("eps", 1e-8))
    return start - lr * r * m_hat * adaptive
