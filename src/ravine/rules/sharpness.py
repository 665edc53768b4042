"""Sharpness-aware minimisation: Foret et al. (2021), Algorithm 1; its adaptive form: Kwon et al. (2021), Algorithm 1."""

from collections.abc import Mapping
from typing import Any

from ravine.rules._rule import Citation, Hyper, Scalar, State, Tensors
from ravine.rules._wrapping import Wrapper

EPS = 1e-12
"""Added to a norm, so that gradients of 0 lead nowhere."""


class SAM(Wrapper):
    """The core with the gradient taken a little uphill, where the loss within a ball is about largest.

        e = rho g / (norm(g) + 1e-12)         norm over all tensors of the model
        g <- gradient at p + e                for the core's step from p

    State: none. Two gradients a step.

    Departures. From the paper: none; p = 2, and the core's weight decay is no part of the first gradient, as in the
    common torch port. Both gradients are of one batch. Running statistics of BatchNorm take in the first forward only
    in a fleet; in a plain loop the closure runs twice and both count, unless it sees to that itself.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> rule, g = get("sgd+sam").rule(), torch.tensor([3.0, 4.0])
        >>> rule.ascent(0 * g, g, N(**rule.ascent_terms(0 * g, g, N())), N(sam_rho=0.1))
        tensor([0.0600, 0.0800])
    """

    name = "sam"
    citation = Citation(
        "Foret, Kleiner, Mobahi, Neyshabur",
        2021,
        "Sharpness-aware minimization for efficiently improving generalization",
        "arXiv:2010.01412",
    )
    hypers = (Hyper("sam_rho", 0.05, 0.0, float("inf"), "length of the way uphill"),)
    needs = frozenset({"second gradient"})
    gradients_per_step = 2.0

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {"sam_rho": h.sam_rho}

    def ascent_terms(self, p: Tensors, g: Tensors, c: Any) -> State:
        return {"sam_total": (g * g).sum()}

    def ascent(self, p: Tensors, g: Tensors, sums: Any, c: Any) -> Tensors:
        return g * (c.sam_rho / (sums.sam_total.sqrt() + EPS))


class ASAM(Wrapper):
    """SAM with a ball that is measured in units of the weights, so that rescaled layers have the same neighbours.

        w = abs(p) + eta
        e = rho w^2 g / (norm(w g) + 1e-12)   norm over all tensors of the model
        g <- gradient at p + e                for the core's step from p

    State: none. Two gradients a step.

    Departures. From the paper: eta, which its section 5 adds to the weights, is added for every parameter; the authors'
    code scales tensors that are named "weight" only, and takes SAM's form for the others. The rest is as in `SAM`.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> rule, p = get("sgd+asam").rule(), torch.tensor([1.0, -2.0])
        >>> g, c = torch.tensor([3.0, 2.0]), N(asam_rho=0.5, asam_eta=0.0)
        >>> rule.ascent(p, g, N(**rule.ascent_terms(p, g, c)), c)
        tensor([0.3000, 0.8000])
    """

    name = "asam"
    citation = Citation(
        "Kwon, Kim, Park, Choi", 2021, "ASAM: adaptive sharpness-aware minimization for scale-invariant learning", "arXiv:2102.11600"
    )
    hypers = (
        Hyper("asam_rho", 0.5, 0.0, float("inf"), "length of the way uphill, in units of the weights"),
        Hyper("asam_eta", 0.01, 0.0, float("inf"), "added to the size of every weight"),
    )
    needs = frozenset({"second gradient"})
    gradients_per_step = 2.0

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {"asam_rho": h.asam_rho, "asam_eta": h.asam_eta}

    def ascent_terms(self, p: Tensors, g: Tensors, c: Any) -> State:
        w = (p.abs() + c.asam_eta) * g
        return {"asam_total": (w * w).sum()}

    def ascent(self, p: Tensors, g: Tensors, sums: Any, c: Any) -> Tensors:
        w = p.abs() + c.asam_eta
        return w * w * g * (c.asam_rho / (sums.asam_total.sqrt() + EPS))
