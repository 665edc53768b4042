"""Adam with D-Adaptation: Algorithm 5 of arXiv:2301.07733 over a list of weights."""

import numpy as np


class Oracle:
    """All weights of one model; `settings` of each under the class's names, those of the first for the whole."""

    def __init__(self, settings):
        self.settings, self.memory, self.numerator, self.d = settings, {}, 0.0, settings[0].get("d0", 1e-6)

    def step(self, weights, grads, lrs):
        whole, d = self.settings[0], self.d
        beta1, beta2 = whole.get("betas", (0.9, 0.999))
        beta3 = np.sqrt(beta2)
        along, size = 0.0, 0.0
        for index, (w, g) in enumerate(zip(weights, grads, strict=True)):
            if g is None or lrs[index] == 0:
                continue
            given, own = self.settings[index], self.memory.setdefault(index, {"t": 0, "m": 0 * w, "v": 0 * w, "s": 0 * w})
            scale = given.get("layer_scale", 1.0)
            own["t"] += 1
            correction = np.sqrt(1 - beta2 ** own["t"]) / (1 - beta1 ** own["t"]) if given.get("use_bias_correction") else 1.0
            own["rate"] = d * max(lrs) * correction
            pulled = g if given.get("decouple", False) else g + given.get("weight_decay", 0.0) * w
            along += scale * own["rate"] * np.sum(pulled * own["s"] / (np.sqrt(own["v"]) + given.get("eps", 1e-8)))
            own["m"] = beta1 * own["m"] + (1 - beta1) * scale * own["rate"] * pulled
            own["v"] = beta2 * own["v"] + (1 - beta2) * pulled**2
            own["s"] = beta3 * own["s"] + (1 - beta3) * own["rate"] * pulled
            size += scale * np.abs(own["s"]).sum()
        self.numerator = beta3 * self.numerator + (1 - beta3) * along
        self.d = max(d, min(self.numerator / ((1 - beta3) * size), d * whole.get("growth_rate", np.inf)))
        result = []
        for index, (w, g) in enumerate(zip(weights, grads, strict=True)):
            if g is None or lrs[index] == 0:
                result.append(w)
                continue
            own, given = self.memory[index], self.settings[index]
            shrunk = w - own["rate"] * given.get("weight_decay", 0.0) * w if given.get("decouple", False) else w
            result.append(shrunk - own["m"] / (np.sqrt(own["v"]) + given.get("eps", 1e-8)))
        return result
