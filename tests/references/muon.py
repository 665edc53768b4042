"""Muon: the algorithm of Jordan et al. (2024) with its quintic iteration; scales of theirs and of arXiv:2502.16982, equation 4."""

import numpy as np

from references import adam


def orthogonalised(x, coefficients, eps):
    a, b, c = coefficients
    x = x / (np.sqrt(np.sum(x**2)) + eps)
    if x.shape[0] > x.shape[1]:
        return iterate(x.T, a, b, c).T
    return iterate(x, a, b, c)


def iterate(x, a, b, c):
    for _ in range(5):
        once = x @ x.T
        x = a * x + b * once @ x + c * once @ once @ x
    return x


def update(settings, w, g, memory, lr):
    if settings.get("elementwise", False):
        given = {"betas": settings.get("adam_betas", (0.9, 0.95)), "eps": 1e-10, "weight_decay": settings["weight_decay"]}
        return adam.decoupled_update(given, w, g, memory, lr * settings.get("adam_lr_ratio", 1.0))
    mu = settings.get("momentum", 0.95)
    t = memory["t"] = memory.get("t", 0) + 1
    m = memory["m"] = mu * memory.get("m", np.zeros_like(w)) + (1 - mu) * g
    u = mu * m + (1 - mu) * g
    if settings.get("corrected", False):
        u = mu * m / (1 - mu ** (t + 1)) + (1 - mu) * g / (1 - mu**t)
    if not settings.get("nesterov", True):
        u = m
    matrices = u if settings.get("batched", False) and u.ndim > 2 else u.reshape(1, u.shape[0], -1)
    result = [
        orthogonalised(matrix, settings.get("ns_coefficients", (3.4445, -4.7750, 2.0315)), settings.get("eps", 1e-7)) for matrix in matrices
    ]
    rows, columns = result[0].shape
    scale = 0.2 * np.sqrt(max(rows, columns)) if settings["moonlight"] else np.sqrt(max(1.0, rows / columns))
    return w * (1 - lr * settings["weight_decay"]) - lr * scale * np.reshape(result, w.shape)
