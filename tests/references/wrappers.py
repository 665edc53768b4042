"""What stands around an optimiser, transcribed from the papers: plain numpy, all tensors of the model at once.

Each class is built around `step`, a function (weights, gradients, lr) -> new weights of the optimiser inside; tensors
without a gradient are left out of all three. Equation and algorithm numbers are those of the papers named.
"""

import numpy as np


class Core:
    """An optimiser given as one tensor's update, for tensors each with its memory and settings."""

    def __init__(self, update, settings):
        self.update, self.settings = update, settings
        self.memory = [{} for _ in settings]

    def step(self, weights, grads, rates):
        return [
            w if g is None else self.update(given, w, g, memory, lr)
            for w, g, lr, given, memory in zip(weights, grads, rates, self.settings, self.memory, strict=True)
        ]


class Lookahead:
    """Zhang et al. 2019, Algorithm 1, one tensor at a time: phi <- phi + alpha (theta - phi) after k inner steps."""

    def __init__(self, core, settings, start):
        self.core, self.settings = core, settings
        self.phi, self.steps = [w.copy() for w in start], [0] * len(start)

    def step(self, weights, grads, rates):
        theta = self.core.step(weights, grads, rates)
        for i, g in enumerate(grads):
            if g is None:
                continue
            self.steps[i] += 1
            if self.steps[i] % self.settings[i]["lookahead_k"] == 0:
                self.phi[i] = self.phi[i] + self.settings[i]["lookahead_alpha"] * (theta[i] - self.phi[i])
                theta[i] = self.phi[i].copy()
        return theta


class Cautious:
    """Liang et al. 2024, Algorithm 2, with the mask over its mean as in their section on implementation; decay apart."""

    def __init__(self, core, settings, start):
        self.core, self.decays = core, [given.get("weight_decay", 0.0) for given in settings]
        core.settings = [{**given, "weight_decay": 0.0} for given in settings]

    def step(self, weights, grads, rates):
        new = self.core.step(weights, grads, rates)
        result = []
        for w, after, g, lr, decay in zip(weights, new, grads, rates, self.decays, strict=True):
            if g is None:
                result.append(w)
                continue
            u = w - after
            mask = (u * g > 0).astype(w.dtype)
            result.append(w - u * mask / max(mask.mean(), 1e-3) - lr * decay * w)
        return result


class Centralised:
    """Yong et al. 2020, equation 1: subtract the mean of every column of the weight matrix, which is a row of torch's."""

    def __init__(self, core, settings, start):
        self.core = core

    def step(self, weights, grads, rates):
        return self.core.step(weights, [self.centre(g) for g in grads], rates)

    @staticmethod
    def centre(g):
        if g is None or g.ndim < 2:
            return g
        return np.stack([row - row.mean() for row in g])


class EMA:
    """A running average of the weights; `average` is where the model is evaluated."""

    def __init__(self, core, settings, start):
        self.core, self.settings = core, settings
        self.average, self.total, self.steps = [w.copy() for w in start], [0.0 * w for w in start], [0] * len(start)

    def step(self, weights, grads, rates):
        new = self.core.step(weights, grads, rates)
        for i, g in enumerate(grads):
            if g is None:
                continue
            self.steps[i] += 1
            keep, t = self.settings[i]["ema_decay"], self.steps[i]
            if self.settings[i].get("ema_corrected"):
                self.total[i] = keep * self.total[i] + (1 - keep) * new[i]
                self.average[i] = self.total[i] / (1 - keep**t)
                continue
            if self.settings[i].get("ema_warmup"):
                keep = min(keep, (1 + t) / (10 + t))
            self.average[i] = keep * self.average[i] + (1 - keep) * new[i]
        return new


class Clip:
    """Pascanu et al. 2013, Algorithm 1: g <- threshold / norm g where the norm is above it; all tensors are one vector."""

    def __init__(self, core, settings, start):
        self.core, self.bound = core, settings[0]["clip_norm"]

    def step(self, weights, grads, rates):
        norm = np.sqrt(sum(np.square(g).sum() for g in grads if g is not None))
        factor = self.bound / (norm + 1e-6) if self.bound < norm + 1e-6 else 1.0
        return self.core.step(weights, [None if g is None else factor * g for g in grads], rates)


class ClipValue:
    """Every element in [-bound, bound]."""

    def __init__(self, core, settings, start):
        self.core, self.bounds = core, [given["clip_value"] for given in settings]

    def step(self, weights, grads, rates):
        cut = [None if g is None else np.clip(g, -bound, bound) for g, bound in zip(grads, self.bounds, strict=True)]
        return self.core.step(weights, cut, rates)


class AGC:
    """Brock et al. 2021, equation 3: unit by unit."""

    def __init__(self, core, settings, start):
        self.core, self.settings = core, settings

    def step(self, weights, grads, rates):
        cut = [None if g is None else self.clip(w, g, given) for w, g, given in zip(weights, grads, self.settings, strict=True)]
        return self.core.step(weights, cut, rates)

    @staticmethod
    def clip(w, g, given):
        def one(w, g):
            largest = max(np.sqrt(np.square(w).sum()), given["agc_eps"])
            norm = np.sqrt(np.square(g).sum())
            return given["agc_bound"] * largest / norm * g if norm / largest > given["agc_bound"] else g

        return one(w, g) if w.ndim < 2 else np.stack([one(*pair) for pair in zip(w, g, strict=True)])


class ClipHistory:
    """Kumar et al. 2025, section 3: statistics of the first norms, then of the clipped ones, exponentially forgotten."""

    def __init__(self, core, settings, start):
        self.core, self.given, self.first, self.mean, self.variance = core, settings[0], [], None, None

    def step(self, weights, grads, rates):
        norm = np.sqrt(sum(np.square(g).sum() for g in grads if g is not None))
        target = norm
        if len(self.first) < self.given["clip_history_warmup"]:
            self.first.append(norm)
            self.mean, self.variance = np.mean(self.first), np.var(self.first)
        else:
            bound, keep = self.given["clip_history_bound"], self.given["clip_history_keep"]
            z = (norm - self.mean) / (np.sqrt(self.variance) + 1e-6)
            if z > bound:
                target = self.mean + bound * np.sqrt(self.variance) / (z / bound)
            self.mean = keep * self.mean + (1 - keep) * target
            self.variance = keep * self.variance + (1 - keep) * (target - self.mean) ** 2
        factor = target / (norm + 1e-6) if target != norm else 1.0
        return self.core.step(weights, [None if g is None else factor * g for g in grads], rates)


def ascent(kind, settings, weights, grads):
    """Foret et al. 2021, equation 2 (p = 2), or Kwon et al. 2021, equation 8: the point of the second gradient."""
    if kind == "sam":
        norm = np.sqrt(sum(np.square(g).sum() for g in grads))
        return [w + settings["sam_rho"] * g / (norm + 1e-12) for w, g in zip(weights, grads, strict=True)]
    scales = [np.abs(w) + settings["asam_eta"] for w in weights]
    norm = np.sqrt(sum(np.square(t * g).sum() for t, g in zip(scales, grads, strict=True)))
    return [w + settings["asam_rho"] * t**2 * g / (norm + 1e-12) for w, t, g in zip(weights, scales, grads, strict=True)]
