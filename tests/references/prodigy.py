"""Prodigy: Algorithm 4 of arXiv:2306.06101 over a list of weights, its sums scaled as in the authors' package (by d / d0)."""

import numpy as np


class Oracle:
    """All weights of one model; `settings` of each under the class's names, those of the first for the whole."""

    def __init__(self, settings):
        self.settings, self.memory, self.numerator = settings, {}, 0.0
        self.d = self.largest = settings[0].get("d0", 1e-6)

    def step(self, weights, grads, lrs):
        whole, d = self.settings[0], self.d
        beta1, beta2 = whole.get("betas", (0.9, 0.999))
        d0, beta3, lr = whole.get("d0", 1e-6), np.sqrt(beta2), max(lrs)
        along, size = 0.0, 0.0
        for index, (w, g) in enumerate(zip(weights, grads, strict=True)):
            if g is None or lrs[index] == 0:
                continue
            given = self.settings[index]
            own = self.memory.setdefault(index, {"t": 0, "start": w.copy(), "m": 0 * w, "v": 0 * w, "s": 0 * w})
            own["t"] += 1
            correction = np.sqrt(1 - beta2 ** own["t"]) / (1 - beta1 ** own["t"]) if given.get("use_bias_correction") else 1.0
            own["rate"] = d * lr * correction
            pulled = g if given.get("decouple", True) else g + given.get("weight_decay", 0.0) * w
            along += d / d0 * own["rate"] * np.sum(pulled * (own["start"] - w))
            own["m"] = beta1 * own["m"] + (1 - beta1) * d * pulled
            own["v"] = beta2 * own["v"] + (1 - beta2) * d**2 * pulled**2
            own["s"] = beta3 * own["s"] + d / d0 * (d if given.get("safeguard_warmup") else own["rate"]) * pulled
            size += np.abs(own["s"]).sum()
        self.numerator = beta3 * self.numerator + along
        estimate = whole.get("d_coef", 1.0) * self.numerator / size
        if d == d0:
            self.d = max(d, estimate)
        self.largest = max(self.largest, estimate)
        self.d = min(self.largest, self.d * whole.get("growth_rate", np.inf))
        result = []
        for index, (w, g) in enumerate(zip(weights, grads, strict=True)):
            if g is None or lrs[index] == 0:
                result.append(w)
                continue
            own, given = self.memory[index], self.settings[index]
            shrunk = w - own["rate"] * given.get("weight_decay", 0.0) * w if given.get("decouple", True) else w
            result.append(shrunk - own["rate"] * own["m"] / (np.sqrt(own["v"]) + self.d * given.get("eps", 1e-8)))
        return result
