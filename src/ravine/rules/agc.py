"""Adaptive gradient clipping: Brock, De, Smith and Simonyan (2021), equation 3."""

from collections.abc import Mapping
from typing import Any

from ravine.rules._rule import Citation, Hyper, Scalar, Tensors
from ravine.rules._units import unit_norms
from ravine.rules._wrapping import Wrapper


class AGC(Wrapper):
    """The core with gradients that are small beside the weights, unit by unit.

        g_i <- g_i min(1, bound max(norm(p_i), eps) / max(norm(g_i), 1e-6))

    for each unit i, the weights of one output: the first dimension, or the whole of a vector.

    State: none.

    Departures. From the paper: none; the lower bound on norm(g_i) is that of the authors' code, as in timm. Neither
    rule nor fleet leaves out the output layer, as the paper does: in a drop-in class, give it a group with a huge `agc_bound`.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> p, g = torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0]])
        >>> get("sgd+agc").rule().gradient(p, g, N(agc_bound=0.1, agc_eps=1e-3))
        tensor([[0.3000, 0.4000]])
    """

    name = "agc"
    citation = Citation(
        "Brock, De, Smith, Simonyan", 2021, "High-performance large-scale image recognition without normalization", "arXiv:2102.06171"
    )
    hypers = (
        Hyper("agc_bound", 0.01, 0.0, float("inf"), "largest norm of a unit's gradient over that of its weights"),
        Hyper("agc_eps", 1e-3, 0.0, float("inf"), "least norm that a unit's weights count for"),
    )
    granularity = "tensor"

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {"agc_bound": h.agc_bound, "agc_eps": h.agc_eps}

    def gradient(self, p: Tensors, g: Tensors, c: Any) -> Tensors:
        most = c.agc_bound * unit_norms(p).clamp_min(c.agc_eps)
        return g * (most / unit_norms(g).clamp_min(1e-6)).clamp_max(1.0)
