"""Losses of one example against the probability p that the model gives to what is true.

    cross_entropy    -ln p
    squared          (1 - p)^2
    absolute         1 - p
    huber            (1 - p)^2 / 2 up to 1 - p = delta, delta (1 - p - delta / 2) beyond
    focal            -(1 - p)^gamma ln p
    label_smoothed   -(1 - s + s / K) ln p - (K - 1) (s / K) ln((1 - p) / (K - 1))

The K - 1 wrong classes share 1 - p equally. Values are those of torch's own losses, except for the focal one's factor, which torch does
not have; slopes are autograd's. What reaches the network is the slope against the true class's logit, p (1 - p) times that against p.

References:
    Lin et al. (2017), Focal loss for dense object detection, arXiv:1708.02002, equation 4. Szegedy et al. (2016), Rethinking the
    Inception architecture, arXiv:1512.00567, section 7: label smoothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError

EDGE = 1e-3
"""How near p comes to 0 and 1 where nothing else is asked for."""

POINTS = 400

TEXTBOOK = (0.01, 0.1, 0.5, 0.9, 0.99)
"""Probabilities at which values are quoted."""


@dataclass(frozen=True, slots=True)
class LossSettings:
    """What the losses leave open.

    Attributes:
        gamma: of the focal loss; 0 makes it cross-entropy.
        delta: of the Huber loss: the error from which on it is straight. At 1 it is half the squared error everywhere.
        smoothing: share of the target that is spread over all classes.
        classes: number of classes K.

    Raises:
        InputError: a value outside its interval.
    """

    gamma: float = 2.0
    delta: float = 0.5
    smoothing: float = 0.1
    classes: int = 2

    def __post_init__(self) -> None:
        number("gamma", self.gamma, at_least=0, at_most=100, do="2 is the paper's.")
        number("delta", self.delta, above=0, at_most=1, do="The error 1 - p is never above 1.")
        number("smoothing", self.smoothing, at_least=0, below=1, do="0.1 is usual.")
        count("classes", self.classes, at_least=2, do="2 is one class against another.")


@dataclass(frozen=True, slots=True)
class LossShape:
    """One loss over p.

    Attributes:
        name: as in `LOSSES`.
        values: the loss, (P,).
        slopes: its derivative by p, (P,).
        logit_slopes: its derivative by the true class's logit, (P,).
    """

    name: str
    values: np.ndarray
    slopes: np.ndarray
    logit_slopes: np.ndarray


@dataclass(frozen=True, slots=True)
class LossShapes:
    """Several losses over the same p.

    Attributes:
        p: probabilities of the true class, ascending, (P,).
        shapes: one a loss.
        settings: what they leave open.
    """

    p: np.ndarray
    shapes: tuple[LossShape, ...]
    settings: LossSettings = field(default_factory=LossSettings)

    def shape(self, name: str) -> LossShape:
        """The loss called `name`."""
        return next(shape for shape in self.shapes if shape.name == name)

    def summary(self) -> dict[str, Any]:
        """The same as plain values (schema 1)."""
        chosen = self.settings
        listed = {shape.name: {key: getattr(shape, key).tolist() for key in ("values", "slopes", "logit_slopes")} for shape in self.shapes}
        settings = {"gamma": chosen.gamma, "delta": chosen.delta, "smoothing": chosen.smoothing, "classes": chosen.classes}
        return {"schema": 1, "figure": "loss-shapes", "settings": settings, "p": self.p.tolist(), "losses": listed}


def losses_at(
    p: Sequence[float] | np.ndarray | None = None, names: Sequence[str] | None = None, settings: LossSettings | None = None
) -> LossShapes:
    """Losses and their slopes at probabilities of the true class.

    Args:
        p: between 0 and 1, both excluded, where some losses are infinite; if None, `POINTS` of them and those of `TEXTBOOK`.
        names: of `LOSSES`; all if None.
        settings: what the losses leave open.

    Raises:
        UnknownNameError: no such loss.
        InputError: a probability that is none, or none at all.

    Example:
        >>> shapes = losses_at([0.01], ["cross_entropy", "squared"])
        >>> [round(float(shape.values[0]), 4) for shape in shapes.shapes]
        [4.6052, 0.9801]
    """
    chosen = settings or LossSettings()
    for name in names or ():
        if name not in LOSSES:
            raise unknown_name("loss", name, LOSSES)
    places = (
        np.union1d(np.linspace(EDGE, 1 - EDGE, POINTS), TEXTBOOK) if p is None else np.sort(np.asarray(p, dtype=np.float64).reshape(-1))
    )
    if not places.size:
        raise InputError("p is empty: must hold probabilities between 0 and 1. Give some, such as 0.01 and 0.5.", given=p)
    for value in places:
        number("p", float(value), above=1e-300, below=1, do="At 0 and 1 themselves some losses or slopes are infinite.")
    return LossShapes(places, tuple(_shape(name, places, chosen) for name in names or LOSSES), chosen)


def _shape(name: str, places: np.ndarray, settings: LossSettings) -> LossShape:
    p = torch.from_numpy(places).requires_grad_()
    values = LOSSES[name](p, settings)
    (slopes,) = torch.autograd.grad(values.sum(), p)
    found = slopes.numpy()
    return LossShape(name, values.detach().numpy(), found, found * places * (1.0 - places))


def _logits(p: Tensor, classes: int) -> Tensor:
    """Logits of which the softmax is p for class 0, and the rest in equal parts, (P, K)."""
    others = ((1.0 - p) / (classes - 1)).log()[:, None].expand(-1, classes - 1)
    return torch.cat([p.log()[:, None], others], 1)


def _entropy(p: Tensor, settings: LossSettings, smoothing: float = 0.0) -> Tensor:
    true = torch.zeros(len(p), dtype=torch.int64)
    return F.cross_entropy(_logits(p, settings.classes), true, reduction="none", label_smoothing=smoothing)


def _huber(p: Tensor, settings: LossSettings) -> Tensor:
    return F.huber_loss(p, torch.ones_like(p), reduction="none", delta=settings.delta)


LOSSES: Mapping[str, Callable[[Tensor, LossSettings], Tensor]] = MappingProxyType(
    {
        "cross_entropy": _entropy,
        "squared": lambda p, settings: F.mse_loss(p, torch.ones_like(p), reduction="none"),
        "absolute": lambda p, settings: F.l1_loss(p, torch.ones_like(p), reduction="none"),
        "huber": _huber,
        "focal": lambda p, settings: (1.0 - p) ** settings.gamma * _entropy(p, settings),
        "label_smoothed": lambda p, settings: _entropy(p, settings, settings.smoothing),
    }
)
"""Every loss by name: a function of (p, settings)."""
