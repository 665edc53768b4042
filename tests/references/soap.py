"""SOAP: Algorithm 3 of arXiv:2409.11321 with the authors' first step, order of eigenvectors and bias correction.

As there, the first moment lives in the turned basis and is turned back and forth when the basis changes.
"""

import numpy as np


def project(x, bases):
    for axis, basis in enumerate(bases):
        x = np.moveaxis(np.tensordot(x, basis, axes=(axis, 0)), -1, axis)
    return x


def project_back(x, bases):
    return project(x, [basis.T for basis in bases])


def gram(g, axis):
    rows = np.moveaxis(g, axis, 0).reshape(g.shape[axis], -1)
    return rows @ rows.T


def update(settings, w, g, memory, lr):
    beta1, beta2 = settings.get("betas", (0.95, 0.95))
    shampoo_beta = settings.get("shampoo_beta", -1.0)
    keep = shampoo_beta if shampoo_beta >= 0 else beta2
    axes = range(g.ndim) if g.ndim > 1 else ()
    if "step" not in memory:
        memory["grams"] = [(1 - keep) * gram(g, axis) for axis in axes]
        memory["bases"] = [np.linalg.eigh(matrix)[1][:, ::-1] for matrix in memory["grams"]]
        memory.update(step=0, m=np.zeros_like(w), v=np.zeros_like(w))
        return w
    t = memory["step"] = memory["step"] + 1
    bases = memory["bases"]
    turned = project(g, bases)
    memory["m"] = beta1 * memory["m"] + (1 - beta1) * turned
    memory["v"] = beta2 * memory["v"] + (1 - beta2) * turned**2
    size = lr
    if not settings.get("uncorrected", False):
        size = lr * np.sqrt(1 - beta2**t) / (1 - beta1**t)
    step = project_back(memory["m"] / (np.sqrt(memory["v"]) + settings.get("eps", 1e-8)), bases)
    if settings.get("normalize_grads", False):
        step = step / (1e-30 + np.sqrt(np.mean(step**2)))
    w = w - size * step
    w = w - lr * settings.get("weight_decay", 1e-2) * w
    straight = project_back(memory["m"], bases)
    memory["grams"] = [keep * matrix + (1 - keep) * gram(g, axis) for axis, matrix in enumerate(memory["grams"])]
    if t % settings.get("precondition_frequency", 10) == 0:
        for axis, (matrix, basis) in enumerate(zip(memory["grams"], bases, strict=True)):
            order = np.argsort(-np.diag(basis.T @ matrix @ basis), kind="stable")
            memory["v"] = np.take(memory["v"], order, axis=axis)
            memory["bases"][axis] = np.linalg.qr(matrix @ basis[:, order])[0]
    memory["m"] = project(straight, memory["bases"])
    return w
