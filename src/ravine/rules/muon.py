"""Muon: Jordan et al. (2024); with Moonlight's scale: Liu et al. (2025), equation 4."""

from collections.abc import Mapping
from typing import Any, final

from ravine.rules._orthogonal import as_matrices, is_narrow, orthogonalised, size_factor
from ravine.rules._rule import Citation, Flag, Hyper, Rule, Scalar, Slot, State, Tensors
from ravine.rules._terms import power, root


@final
class Muon(Rule):
    """Momentum whose singular values are all made about 1, for matrices; AdamW for everything else.

        m <- momentum m + (1 - momentum) g
        u  = momentum m + (1 - momentum) g                         u = m, unless nesterov
        o  = five times x <- a x + (b x x' + c (x x')^2) x, from u / (|u| + eps), transposed if tall
        p <- p - lr weight_decay p - lr sqrt(max(1, rows / columns)) o
                                   - lr 0.2 sqrt(max(rows, columns)) o         if moonlight

        m <- beta1 m + (1 - beta1) g,   v <- beta2 v + (1 - beta2) g^2         if elementwise
        p <- p - adam_lr_ratio lr (weight_decay p + m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + adam_eps))

    torch names: m is `momentum_buffer`; v, which it has not, is `exp_avg_sq`. A weight of more than two dimensions is
    the matrix (first dimension, rest), or with `batched` a batch of matrices in its last two. |.| is the Frobenius norm.

    In a race, what is not a matrix between layers (`ravine.tasks.kinds`) is elementwise.

    Departures. From the authors' code: the scale of a convolution is that of its matrix, not of its kernel. It
    multiplies in bfloat16; here that is so on accelerators unless `full_precision`, and elsewhere with `half_precision`.
    From torch and timm: they keep the norm above eps instead of adding (`eps_floor`); timm has other coefficients, no
    Nesterov momentum and Moonlight's scale by default. From optax: it corrects the momentum's bias (`corrected`).

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> g = torch.diag(torch.tensor([5.0, 0.5]))
        >>> c = Muon().scalars(N(**{hyper.symbol: hyper.default for hyper in Muon.hypers} | {"lr": 1.0}), 1)
        >>> delta, _ = Muon().update(0 * g, g, N(m=0 * g), N(**c))
        >>> [round(value, 1) for value in delta.diagonal().tolist()]
        [-0.7, -0.7]
    """

    name = "muon"
    citation = Citation(
        "Jordan, Jin, Boza, You, Cesista, et al.", 2024, "Muon: an optimizer for hidden layers in neural networks", "kellerjordan.github.io"
    )
    hypers = (
        Hyper("lr", 1e-3, 0.0, float("inf"), "learning rate"),
        Hyper("weight_decay", 0.1, 0.0, float("inf"), "decoupled weight decay, multiplied by lr"),
        Hyper("momentum", 0.95, 0.0, 1.0, "share of the momentum kept at each step", open_above=True),
        Hyper("a", 3.4445, float("-inf"), float("inf"), "coefficient of x", key="ns_coefficients", index=0),
        Hyper("b", -4.7750, float("-inf"), float("inf"), "coefficient of x x' x", key="ns_coefficients", index=1),
        Hyper("c", 2.0315, float("-inf"), float("inf"), "coefficient of (x x')^2 x", key="ns_coefficients", index=2),
        Hyper("eps", 1e-7, 0.0, float("inf"), "added to the Frobenius norm"),
        Hyper("adam_lr_ratio", 1.0, 0.0, float("inf"), "AdamW's rate over lr"),
        Hyper("beta1", 0.9, 0.0, 1.0, "AdamW's share of the first moment kept", key="adam_betas", index=0, open_above=True),
        Hyper("beta2", 0.95, 0.0, 1.0, "AdamW's share of the second moment kept", key="adam_betas", index=1, open_above=True),
        Hyper("adam_eps", 1e-10, 0.0, float("inf"), "added to the root of AdamW's second moment"),
    )
    flags = (
        Flag("elementwise", "take AdamW: for what is not a matrix between layers"),
        Flag("nesterov", "look ahead along the momentum", default=True),
        Flag("moonlight", "scale steps to AdamW's usual root mean square"),
        Flag("batched", "take the last two dimensions for matrices and those before for a batch"),
        Flag("corrected", "correct the momentum's bias"),
        Flag("eps_floor", "keep the norm above eps instead of adding eps"),
        Flag("half_precision", "multiply in bfloat16 everywhere"),
        Flag("full_precision", "never multiply in bfloat16"),
    )
    slots = (Slot("m", "momentum_buffer"), Slot("v", "exp_avg_sq", when="elementwise", unsigned=True))
    granularity = "matrix"

    def part(self, kind: str) -> "Muon":
        return self._with(elementwise=self.on("elementwise") or kind != "matrix")

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        ahead, now = 1.0, 1.0
        if self.on("corrected"):
            ahead, now = 1.0 - power(h.momentum, t + 1.0), 1.0 - power(h.momentum, t)
        return {
            "keep": h.momentum,
            "take": 1.0 - h.momentum,
            "ahead": h.momentum / ahead,
            "now": (1.0 - h.momentum) / now,
            "inflate": 1.0 / now,
            "a": h.a,
            "b": h.b,
            "c": h.c,
            "eps": h.eps,
            "lr": h.lr,
            "decay": h.lr * h.weight_decay,
            "keep1": h.beta1,
            "take1": 1.0 - h.beta1,
            "keep2": h.beta2,
            "take2": 1.0 - h.beta2,
            "step": h.lr * h.adam_lr_ratio / (1.0 - power(h.beta1, t)),
            "correct": 1.0 / root(1.0 - power(h.beta2, t)),
            "adam_eps": h.adam_eps,
            "adam_decay": h.lr * h.adam_lr_ratio * h.weight_decay,
        }

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        if self.on("elementwise"):
            m = c.keep1 * s.m + c.take1 * g
            v = c.keep2 * s.v + c.take2 * (g * g)
            return -c.step * (m / (v.sqrt() * c.correct + c.adam_eps)) - c.adam_decay * p, {"m": m, "v": v}
        m = c.keep * s.m + c.take * g
        u = c.ahead * m + c.now * g if self.on("nesterov") else c.inflate * m
        u = as_matrices(u, batched=self.on("batched"))
        narrow = is_narrow(u, half=self.on("half_precision"), full=self.on("full_precision"))
        o = orthogonalised(u, (c.a, c.b, c.c), c.eps, floor=self.on("eps_floor"), narrow=narrow)
        step = c.lr * size_factor(o, moonlight=self.on("moonlight"))
        return -step * o.reshape(p.shape) - c.decay * p, {"m": m}
