"""SoftAdam by what its recursion means: every squared gradient is kept, and their weights are written out.

The equations are those of the authors' code; no other account of the algorithm was at hand.
"""

import numpy as np


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.9, 0.999))
    eta, eps = settings.get("eta", 1.0), settings.get("eps", 1e-8)
    memory.setdefault("gradients", []).append(g)
    gradients = memory["gradients"]
    t = len(gradients)
    keeps = [min(beta2, 1 - 1 / i) for i in range(1, t + 1)]
    shares = [(1 - keep) * np.prod(keeps[i + 1 :]) for i, keep in enumerate(keeps)]
    v = sum(share * gradient**2 for share, gradient in zip(shares, gradients, strict=True))
    m = sum((1 - beta1) * beta1 ** (t - 1 - i) * gradient for i, gradient in enumerate(gradients))
    direction = beta1 * m + (1 - beta1) * g if settings["nesterov"] else m
    softness = eta * np.sqrt((1 - beta2) / (1 - keeps[-1]))
    denominator = softness * np.sqrt(v / (v.mean() + eps**2)) + 1 + eta - softness
    return w - lr * settings.get("weight_decay", 0.0) * w - lr * (1 + eta) * direction / denominator
