"""Adafactor: Shazeer and Stern (2018), Algorithms 4 and 5, in the form of `torch.optim.Adafactor`."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._factors import column_shape, row_shape, spacing, vector_shape
from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power, root


@final
class Adafactor(Rule):
    """Second moments of matrices from their rows' and columns' means alone, and steps relative to the weights.

        k  = t^beta2_decay
        r <- (1 - k) r + k mean of g^2 over columns,  q <- (1 - k) q + k mean over rows,  v = r q / max(mean r, eps1)
        v <- (1 - k) v + k g^2                                     instead, if g has fewer than two dimensions
        u  = g / max(sqrt(v), eps1),   u <- u / max(1, RMS(u) / d)
        u <- max(eps2, RMS(p)) min(lr, 1 / sqrt(t)) u
        m <- beta1 m + (1 - beta1) u,  u = m                       if beta1
        p <- p - u - lr weight_decay p

    torch names: r is `row_var`, q is `col_var`, v is `variance`; m, which it has not, is `exp_avg`. With more than two
    dimensions, the last two are rows and columns. eps1 = 0 stands for the spacing of numbers at 1 (torch: None).

    Departures. From the paper: as in torch, eps1 bounds from below instead of being added to g^2 (`eps_added` adds it),
    and lr takes the place of its 0.01; without momentum by default, as in its experiments. From torch: for bfloat16
    weights the spacing is float32's, in which the arithmetic is. From optax: the form is `eps_added`, `absolute_step`
    and, without its parameter scale, `unscaled`; it factors the two longest dimensions and none below 128, and its decay
    is not multiplied by lr. From Hugging Face and fairseq: their relative step is `eps_added` with lr 1e-2, an own rate is
    `absolute_step`, `scale_parameter=False` is `unscaled`; there, and here, momentum averages steps that hold lr already.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> p, c = torch.ones(1), N(keep=0.0, take=1.0, eps1=0.0, spaced=1.0, eps2=1e-3, d=1.0, rho=0.1, beta1=0.0, decay=0.0)
        >>> Adafactor().update(p, 3 * p, N(r=p[:0], q=p[:0], v=0 * p), c)[0]
        tensor([-0.1000])
    """

    name = "adafactor"
    citation = Citation("Shazeer, Stern", 2018, "Adafactor: adaptive learning rates with sublinear memory cost", "arXiv:1804.04235")
    hypers = (
        Hyper("lr", 1e-2, 0.0, float("inf"), "largest step relative to the weights' root mean square"),
        Hyper("beta2_decay", -0.8, float("-inf"), 0.0, "exponent of t in the share of the newest gradient"),
        Hyper("eps1", 0.0, 0.0, float("inf"), "least root of the second moment; 0 for the spacing of numbers", key="eps", index=0),
        Hyper("eps2", 1e-3, 0.0, float("inf"), "least root mean square of the weights", key="eps", index=1),
        Hyper("d", 1.0, 0.0, float("inf"), "largest root mean square of a normalised gradient"),
        Hyper("weight_decay", 0.0, 0.0, float("inf"), "decoupled weight decay, multiplied by lr"),
        Hyper("beta1", 0.0, 0.0, 1.0, "share of the averaged step kept at each step", open_above=True),
    )
    flags = (
        Flag("averages", "average the steps", of="beta1"),
        Flag("eps_added", "add eps1 to the squared gradient instead of bounding by it"),
        Flag("absolute_step", "take lr as it is, not at most 1 / sqrt(t)"),
        Flag("unscaled", "do not multiply by the root mean square of the weights"),
    )
    slots = (
        Slot("r", "row_var", shape=row_shape),
        Slot("q", "col_var", shape=column_shape),
        Slot("v", "variance", shape=vector_shape),
        Slot("m", "exp_avg", when="averages"),
    )
    granularity = "tensor"

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        take, most = power(1.0 * t, h.beta2_decay), 1.0 / root(1.0 * t)
        rho = h.lr if self.on("absolute_step") else choose(h.lr < most, h.lr, most)
        return {
            "keep": 1.0 - take,
            "take": take,
            "eps1": h.eps1,
            "spaced": choose(h.eps1 == 0, 1.0, 0.0),
            "eps2": h.eps2,
            "d": h.d,
            "rho": rho,
            "beta1": h.beta1,
            "decay": h.lr * h.weight_decay,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        least = c.eps1 + c.spaced * spacing(p)
        v, state = self._second_moment(g, s, c, least)
        u = g / (v.sqrt() if self.on("eps_added") else v.sqrt().clamp_min(least))
        u = u / ((u * u).mean().sqrt() / c.d).clamp_min(1.0)
        u = c.rho * u if self.on("unscaled") else c.rho * (p * p).mean().sqrt().clamp_min(c.eps2) * u
        if self.on("averages"):
            u = state["m"] = c.beta1 * s.m + (1.0 - c.beta1) * u
        return -u - c.decay * p, state

    def _second_moment(self, g: Tensors, s: Any, c: Any, least: Scalar) -> tuple[Tensors, State]:
        square = g * g + least if self.on("eps_added") else g * g
        if g.ndim < 2:
            v = c.keep * s.v + c.take * square
            return v, {"r": s.r, "q": s.q, "v": v}
        r = c.keep * s.r + c.take * square.mean(-1, keepdim=True)
        q = c.keep * s.q + c.take * square.mean(-2, keepdim=True)
        mean = r.mean(-2, keepdim=True)
        if not self.on("eps_added"):
            mean = mean.clamp_min(least)
        return r * q / mean, {"r": r, "q": q, "v": s.v}
