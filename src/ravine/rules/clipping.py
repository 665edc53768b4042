"""Clipping by the gradient's size: Pascanu, Mikolov and Bengio (2013), Algorithm 1, and element by element."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ravine.rules._rule import Citation, Hyper, Scalar, Slot, State, Tensors
from ravine.rules._wrapping import Wrapper, kept_where_skipped, squares

CITATION = Citation("Pascanu, Mikolov, Bengio", 2013, "On the difficulty of training recurrent neural networks", "arXiv:1211.5063")
INFINITY = float("inf")


class Clip(Wrapper):
    """The core with gradients no longer than a bound.

        g <- g min(1, bound / (norm(g) + 1e-6))     norm over all tensors of the model
        nothing changes at all                      where the norm is infinite or NaN

    State: the number of skipped steps, `skipped_steps`.

    Departures. From the paper: 1e-6 and the minimum, as in `torch.nn.utils.clip_grad_norm_`. From torch: a norm that is
    not finite skips the step, state included, where torch makes every gradient NaN. The norm is taken in at least
    float32. A schedule, and the rule's t in a fleet, go on; the drop-in class counts a skipped step as never taken.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> rule, o = get("sgd+clip").rule(), N(clip_skipped=torch.tensor(0.0))
        >>> _, c = rule.conclude(N(clip_total=torch.tensor(16.0)), o, N(clip_bound=1.0))
        >>> rule.update(torch.zeros(1), torch.tensor([4.0]), N(), N(lr=1.0, **c))[0]
        tensor([-1.0000])
    """

    name = "clip"
    citation = CITATION
    hypers = (Hyper("clip_bound", 1.0, 0.0, INFINITY, "largest norm of the gradient", key="clip_norm"),)
    slots = (Slot("clip_skipped", "skipped_steps", of_lane=True),)
    refuses: ClassVar[Mapping[str, str]] = {"measure": "it measures the whole gradient before this could clip it"}

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {"clip_bound": h.clip_bound}

    def measure(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[State, State]:
        return {"clip_total": squares(g)}, {}

    def conclude(self, sums: Any, o: Any, c: Any) -> tuple[State, State]:
        norm = sums.clip_total.sqrt()
        taken = 1.0 * (norm < INFINITY)
        factor = (c.clip_bound / (norm + 1e-6)).clamp_max(1.0)
        return {"clip_skipped": o.clip_skipped + (1.0 - taken)}, {"clip_factor": factor, "clip_taken": taken}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        return kept_where_skipped(c.clip_taken, s, *self.core.update(p, g * c.clip_factor, s, c))


class ClipValue(Wrapper):
    """The core with gradients cut off element by element.

        g <- max(-bound, min(bound, g))

    State: none.

    Departures. None from `torch.nn.utils.clip_grad_value_`: an infinite element becomes the bound, NaN stays NaN.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> get("sgd+clip_value").rule().gradient(None, torch.tensor([-3.0, 0.5]), N(clip_value=1.0, clip_minus=-1.0))
        tensor([-1.0000,  0.5000])
    """

    name = "clip_value"
    citation = CITATION
    hypers = (Hyper("clip_value", 1.0, 0.0, INFINITY, "largest size of an element of the gradient"),)

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {"clip_value": h.clip_value, "clip_minus": -h.clip_value}

    def gradient(self, p: Tensors, g: Tensors, c: Any) -> Tensors:
        return g.clamp_min(c.clip_minus).clamp_max(c.clip_value)
