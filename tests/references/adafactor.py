"""Adafactor: Algorithms 4 (matrices) and 5 (vectors) of arXiv:1804.04235, with sums as means; eps1 and lr as the settings have them."""

import numpy as np


def root_mean_square(x):
    return np.sqrt(np.mean(x**2))


def update(settings, w, g, memory, lr):
    eps1, eps2 = settings.get("eps", (None, 1e-3))
    eps1 = np.finfo(w.dtype).eps if eps1 is None else eps1
    is_added = settings.get("eps_added", False)
    t = memory["t"] = memory.get("t", 0) + 1
    beta2 = 1 - t ** settings.get("beta2_decay", -0.8)
    rho = lr if settings.get("absolute_step", False) else min(lr, 1 / np.sqrt(t))
    square = g**2 + (eps1 if is_added else 0.0)
    if w.ndim > 1:
        memory["rows"] = beta2 * memory.get("rows", 0.0) + (1 - beta2) * square.mean(-1)
        memory["columns"] = beta2 * memory.get("columns", 0.0) + (1 - beta2) * square.mean(-2)
        mean = memory["rows"].mean(-1)[..., None, None]
        v = memory["rows"][..., :, None] * memory["columns"][..., None, :] / (mean if is_added else np.maximum(mean, eps1))
    else:
        v = memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * square
    u = g / (np.sqrt(v) if is_added else np.maximum(np.sqrt(v), eps1))
    u = u / max(1.0, root_mean_square(u) / settings.get("d", 1.0))
    step = rho * u if settings.get("unscaled", False) else max(eps2, root_mean_square(w)) * rho * u
    beta1 = settings.get("beta1", 0.0)
    if beta1:
        step = memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * step
    return w - step - lr * settings.get("weight_decay", 0.0) * w
