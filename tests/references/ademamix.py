"""AdEMAMix: Algorithm 1 of arXiv:2409.03137 with its schedulers of alpha and beta3, beta_start = beta1."""

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2, beta3 = settings.get("betas", (0.9, 0.999, 0.9999))
    alpha, rise_alpha, rise_beta3 = settings.get("alpha", 5.0), settings.get("t_alpha", 0), settings.get("t_beta3", 0)
    t = memory["t"] = memory.get("t", 0) + 1
    if rise_alpha:
        alpha = min(t * alpha / rise_alpha, alpha)
    if rise_beta3:
        start, end, share = np.log(beta1), np.log(beta3), t / rise_beta3
        if share < 1:
            beta3 = min(np.exp(start * end / ((1 - share) * end + share * start)), beta3)
    m1 = memory["m1"] = beta1 * memory.get("m1", np.zeros_like(w)) + (1 - beta1) * g
    m2 = memory["m2"] = beta3 * memory.get("m2", np.zeros_like(w)) + (1 - beta3) * g
    v = memory["v"] = beta2 * memory.get("v", np.zeros_like(w)) + (1 - beta2) * g**2
    m1_hat, v_hat = m1 / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * ((m1_hat + alpha * m2) / (np.sqrt(v_hat) + settings.get("eps", 1e-8)) + settings.get("weight_decay", 0.0) * w)
