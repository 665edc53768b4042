"""NAdam: Algorithm 8 of Dozat (2016) with mu_t = beta1 (1 - 0.5 * 0.96^(t psi)), m by a constant beta1 as in torch."""

import math

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.999))
    psi, decay = settings.get("momentum_decay", 4e-3), settings.get("weight_decay", 0.0)
    is_decoupled = settings.get("decoupled_weight_decay", False)
    t = memory["t"] = memory.get("t", 0) + 1
    start = w * (1 - lr * decay) if is_decoupled else w
    g = g if is_decoupled else g + decay * w
    mu = [beta1 * (1 - 0.5 * 0.96 ** (i * psi)) for i in range(1, t + 2)]
    m = memory["m"] = beta1 * memory.get("m", np.zeros_like(w)) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", np.zeros_like(w)) + (1 - beta2) * g**2
    g_hat = g / (1 - math.prod(mu[:t]))
    m_hat = m / (1 - math.prod(mu))
    v_hat = v / (1 - beta2**t)
    m_bar = (1 - mu[t - 1]) * g_hat + mu[t] * m_hat
    return start - lr * m_bar / (np.sqrt(v_hat) + settings.get("eps", 1e-8))
