"""Names of the lessons, in the order in which they are best read; a lesson is loaded when it is asked for."""

import importlib
from typing import Any

from ravine.base._checks import unknown_name
from ravine.lessons._lesson import Lesson

NAMES = (
    "same-rate-three-fates",
    "tuned-rates",
    "one-line-change",
    "ravine-race",
    "best-rate-quadratic",
    "elongated-bowl",
    "momentum-valley",
    "saddle",
    "line-fit",
    "batch-sizes",
    "adam-l2-is-not-adamw",
    "loss-shapes",
    "warmup-cosine",
    "restarts",
    "one-cycle",
    "clipping",
    "vanishing",
    "loss-scaling",
    "bytes-per-parameter",
    "ln-k",
    "overfit-one-batch",
    "early-stopping",
    "sharp-minima",
    "beta2",
    "sign-and-hessian",
    "spectral-bias",
    "pinn-balance",
    "which-changes",
)
"""Every lesson; each is `LESSON` of the file of its name."""


def names() -> tuple[str, ...]:
    """Names of the lessons."""
    return NAMES


def get(name: str) -> Lesson[Any]:
    """The lesson called `name`.

    Raises:
        UnknownNameError: no such lesson; the message offers the nearest ones.

    Example:
        >>> get("loss-shapes").source
        'textbook'
    """
    if name not in NAMES:
        raise unknown_name("lesson", name, NAMES, do="See: ravine lessons")
    lesson: Lesson[Any] = importlib.import_module(f"ravine.lessons.{name.replace('-', '_')}").LESSON
    return lesson
