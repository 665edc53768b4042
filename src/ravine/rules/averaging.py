"""Exponential moving average of the weights: after Polyak and Juditsky (1992), with forgetting."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ravine.rules._rule import Citation, Flag, Hyper, Scalar, Slot, State, Tensors
from ravine.rules._terms import choose, power
from ravine.rules._wrapping import Wrapper


class EMA(Wrapper):
    """Train as the core does, evaluate at a running average of the weights.

        p <- p + d                          d the core's change
        x <- x + (1 - b) (p - x)            x starts at the first weights
        b = decay                           or min(decay, (1 + t) / (10 + t)), if ema_warmup
        1 - b = (1 - decay) / (1 - decay^t) if ema_corrected

    State: x is `ema`. Training is the core's, bit for bit.

    Departures. From Polyak and Juditsky: weights are forgotten exponentially, since early ones are far off; `ema_corrected`
    weighs steps 1 to t as an average that started at 0 and was divided by 1 - decay^t, and forgets the start at once.
    `ema_warmup` is TensorFlow's. From torch's AveragedModel: the same average without a first step that copies.
    Buffers are not averaged: BatchNorm's statistics are those of the trained weights.

    Example:
        >>> from types import SimpleNamespace as N
        >>> from ravine.rules import get
        >>> rule = get("sgd+ema").rule()
        >>> rule.update(2.0, 1.0, N(ema_x=2.0), N(lr=0.5, ema_take=0.1))
        (-0.5, {'ema_x': 1.95})
    """

    name = "ema"
    citation = Citation("Polyak, Juditsky", 1992, "Acceleration of stochastic approximation by averaging", "SIAM J. Control Optim. 30(4)")
    hypers = (Hyper("ema_decay", 0.999, 0.0, 1.0, "share of the average kept at each step", open_above=True),)
    flags = (
        Flag("ema_corrected", "forget the first weights at once, as bias correction does"),
        Flag("ema_warmup", "keep at most (1 + t) / (10 + t) of the average"),
    )
    slots = (Slot("ema_x", "ema", copies=True),)
    refuses: ClassVar[Mapping[str, str]] = {"evaluate": "it is evaluated at an average of its own"}

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        keep = h.ema_decay
        if self.on("ema_warmup"):
            bound = (1.0 + t) / (10.0 + t)
            keep = choose(keep < bound, keep, bound)
        if self.on("ema_corrected"):
            return {"ema_take": (1.0 - keep) / (1.0 - power(keep, t))}
        return {"ema_take": 1.0 - keep}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        d, state = self.core.update(p, g, s, c)
        state["ema_x"] = s.ema_x + c.ema_take * (p + d - s.ema_x)
        return d, state

    def evaluate(self, p: Tensors, s: Any, c: Any) -> Tensors:
        return s.ema_x
