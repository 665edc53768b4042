"""Cautious optimisers: Liang, Chen, Liu and Liu (2024), Algorithm 1."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ravine.rules._rule import Citation, State, Tensors
from ravine.rules._wrapping import Wrapper


class Cautious(Wrapper):
    """Leave out the parts of a change that would climb along the gradient, and enlarge the rest to make up for them.

        a = 1 where -d g > 0, else 0             d the core's change, without decoupled decay
        d <- d a / max(mean(a), 1e-3)            mean over one tensor

    State: none.

    Departures. From the paper: its factor is n / (sum(a) + 1) for n elements; here the mean bounded from below, as
    in the authors' code, timm and HeavyBall. Decoupled weight decay is added afterwards, as in the paper; decay
    that is no term of its own (LAMB, SOAP, D-Adaptation, Adan's proximal form) is part of d.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> rule, c = get("momentum+cautious").rule(buffered=True), N(lr=0.1, momentum=0.5, gain=1.0)
        >>> m, g = torch.tensor([4.0, 4.0]), torch.tensor([2.0, -1.0])
        >>> rule.update(0 * m, g, N(m=m), c)[0]
        tensor([-0.8000,  0.0000])
    """

    name = "cautious"
    citation = Citation("Liang, Chen, Liu, Liu", 2024, "Cautious optimizers: improving training with one line of code", "arXiv:2411.16085")
    hypers = ()
    granularity = "tensor"
    refuses: ClassVar[Mapping[str, str]] = {"evaluate": "its change is not a step along the gradient"}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        d, decay, state = self.update_apart(p, g, s, c)
        a = (-(d * g)).sign().clamp_min(0.0)
        return d * (a / a.mean().clamp_min(1e-3)) + decay, state
