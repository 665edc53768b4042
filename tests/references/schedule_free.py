"""Schedule-free learning: equations 2 to 5 of arXiv:2405.15682, x, y and z all kept; the second moment as in its Algorithm 1."""

import numpy as np


def sgd(settings, w, g, memory, lr):
    return _update(settings, settings.get("momentum", 0.9), w, g, memory, lr, lambda t: g)


def adamw(settings, w, g, memory, lr):
    beta, beta2 = settings.get("betas", (0.9, 0.999))

    def direction(t):
        memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * g**2
        return g / (np.sqrt(memory["v"] / (1 - beta2**t)) + settings.get("eps", 1e-8))

    return _update(settings, beta, w, g, memory, lr, direction)


def _update(settings, beta, w, g, memory, lr, direction):
    if "x" not in memory:
        memory.update(t=0, x=w.copy(), z=w.copy(), total=0.0, largest=0.0)
    t = memory["t"] = memory["t"] + 1
    warmup = settings.get("warmup_steps", 0)
    lr = lr * min(1.0, t / warmup) if warmup else lr
    memory["z"] = memory["z"] - lr * (direction(t) + settings.get("weight_decay", 0.0) * w)
    memory["largest"] = max(memory["largest"], lr)
    weight = t ** settings.get("r", 0.0) * memory["largest"] ** settings.get("weight_lr_power", 2.0)
    memory["total"] += weight
    share = weight / memory["total"] if memory["total"] else 0.0
    memory["x"] = (1 - share) * memory["x"] + share * memory["z"]
    return (1 - beta) * memory["z"] + beta * memory["x"]
