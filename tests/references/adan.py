"""Adan: Algorithm 1 of arXiv:2208.06677 in the paper's betas, one minus ours; corrected for zero starts unless `uncorrected`."""

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2, beta3 = (1 - beta for beta in settings.get("betas", (0.98, 0.92, 0.99)))
    decay, is_corrected = settings.get("weight_decay", 0.0), not settings.get("uncorrected", False)
    k = memory["k"] = memory.get("k", 0) + 1
    change = g - memory.get("g", g)
    zero = np.zeros_like(w)
    if k == 1 and not is_corrected:
        m, v, n = g, zero, g**2
    else:
        m = (1 - beta1) * memory.get("m", zero) + beta1 * g
        v = (1 - beta2) * memory.get("v", zero) + beta2 * change
        n = (1 - beta3) * memory.get("n", zero) + beta3 * (g + (1 - beta2) * change) ** 2
    if k == 2 and not is_corrected:
        v = change
    memory.update(g=g, m=m, v=v, n=n)
    if is_corrected:
        m, v, n = m / (1 - (1 - beta1) ** k), v / (1 - (1 - beta2) ** k), n / (1 - (1 - beta3) ** k)
    eta = lr / (np.sqrt(n) + settings.get("eps", 1e-8))
    step = eta * (m + (1 - beta2) * v)
    if settings.get("no_prox", False):
        return (1 - lr * decay) * w - step
    return (w - step) / (1 + lr * decay)
