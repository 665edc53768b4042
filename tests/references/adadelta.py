"""Adadelta: Algorithm 1 of arXiv:1212.5701 with a rate, as torch has it, and coupled L2."""

import numpy as np


def update(settings, w, g, memory, lr):
    rho, eps = settings.get("rho", 0.9), settings.get("eps", 1e-6)
    g = g + settings.get("weight_decay", 0.0) * w
    mean_g2 = memory["mean_g2"] = rho * memory.get("mean_g2", np.zeros_like(w)) + (1 - rho) * g**2
    mean_dx2 = memory.get("mean_dx2", np.zeros_like(w))

    def rms(mean):
        return np.sqrt(mean + eps)

    dx = -rms(mean_dx2) / rms(mean_g2) * g
    memory["mean_dx2"] = rho * mean_dx2 + (1 - rho) * dx**2
    return w + lr * dx
