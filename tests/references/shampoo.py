"""Shampoo: Algorithm 2 of arXiv:1802.09568 (tensors of any order), powers by a symmetric eigendecomposition."""

import numpy as np


def negative_power(matrix, power):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values**-power) @ vectors.T


def update(settings, w, g, memory, lr):
    g = g + settings.get("weight_decay", 0.0) * w
    eps, keep = settings.get("eps", 1e-4), settings.get("beta2", 1.0)
    order = settings.get("exponent_override", 0.0) or 2 * g.ndim
    t = memory["t"] = memory.get("t", 0) + 1
    step = g
    for axis in range(g.ndim):
        rows = np.moveaxis(g, axis, 0).reshape(g.shape[axis], -1)
        take = 1.0 if keep == 1.0 else 1 - keep
        total = memory[f"H{axis}"] = keep * memory.get(f"H{axis}", np.zeros((len(rows),) * 2)) + take * rows @ rows.T
        if (t - 1) % settings.get("precondition_frequency", 1) == 0:
            memory[f"root{axis}"] = negative_power(total + eps * np.eye(len(rows)), 1 / order)
        step = np.moveaxis(np.tensordot(memory[f"root{axis}"], step, axes=(1, axis)), 0, axis)
    if settings.get("grafted", False):
        step = step * np.linalg.norm(g) / np.linalg.norm(step)
    momentum = settings.get("momentum", 0.0)
    memory["m"] = momentum * memory.get("m", np.zeros_like(w)) + step
    return w - lr * memory["m"]
