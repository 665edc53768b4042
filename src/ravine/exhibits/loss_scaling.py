"""Which gradients survive a narrow format, with and without a scale on the loss: found by real casts.

A gradient g of a loss that was multiplied by S is kept as cast(S g) and divided by S again in wide numbers. It

    survives    its relative error is at most half the format's spacing
    coarse      it is among the format's smallest numbers, which have fewer digits
    vanishes    it became 0
    overflows   it became infinite or NaN, or stopped at the format's largest number

References:
    Micikevicius et al. (2018), Mixed precision training, arXiv:1710.03740, section 3.2. Micikevicius et al. (2022), FP8 formats for
    deep learning, arXiv:2209.05433.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError
from ravine.exhibits._training import Moment, Settings, train
from ravine.tasks import Task

TEXTBOOK = (1e-3, 2e-5, 5e-7, 4e-8, 9e-9)
"""Gradients of the usual example."""

SCALE = 2.0**15
"""The scale of the usual example."""

DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "fp16": torch.float16,
        "bf16": torch.bfloat16,
        "fp8_e4m3": torch.float8_e4m3fn,
        "fp8_e5m2": torch.float8_e5m2,
    }
)
"""The narrow formats by name."""

Fate: TypeAlias = Literal["survives", "coarse", "vanishes", "overflows"]
FATES: tuple[Fate, ...] = ("survives", "coarse", "vanishes", "overflows")


@dataclass(frozen=True, slots=True)
class Format:
    """A narrow format.

    Attributes:
        name: as in `DTYPES`.
        largest: finite number.
        smallest_normal: the least with all digits.
        smallest: above 0.
        spacing: of numbers from 1 on.
    """

    name: str
    largest: float
    smallest_normal: float
    smallest: float
    spacing: float


@dataclass(frozen=True, slots=True)
class CastGradients:
    """Gradients after one format and one scale.

    Attributes:
        format: the format.
        scale: S.
        kept: what they are afterwards, (G,); infinite or NaN where they became so.
        codes: what became of each, as its place in `FATES`, (G,).
    """

    format: Format
    scale: float
    kept: np.ndarray
    codes: np.ndarray

    @property
    def fates(self) -> tuple[Fate, ...]:
        """What became of each, in words."""
        return tuple(FATES[code] for code in self.codes)

    @property
    def shares(self) -> dict[Fate, float]:
        """Share of the gradients that met each fate."""
        counts = np.bincount(self.codes, minlength=len(FATES))
        return {fate: float(number) / len(self.codes) for fate, number in zip(FATES, counts, strict=True)}


@dataclass(frozen=True, slots=True)
class LossScaling:
    """Gradients, and what several formats and scales make of them.

    Attributes:
        gradients: above 0, (G,).
        casts: one for each format and scale.
        source: where the gradients are from.
    """

    gradients: np.ndarray
    casts: tuple[CastGradients, ...]
    source: str = "the usual example"

    def cast(self, name: str, scale: float) -> CastGradients:
        """What format `name` makes of them under a scale."""
        return next(cast for cast in self.casts if (cast.format.name, cast.scale) == (name, scale))

    def summary(self) -> dict[str, Any]:
        """The same as plain values (schema 1); the gradients one by one only where there are few."""
        few = len(self.gradients) <= MOST_LISTED
        return {
            "schema": 1,
            "figure": "loss-scaling",
            "source": self.source,
            "gradients": self.gradients.tolist() if few else None,
            "count": len(self.gradients),
            "casts": [_as_json(cast, few) for cast in self.casts],
        }


MOST_LISTED = 100


def _as_json(cast: CastGradients, few: bool) -> dict[str, Any]:
    limits = {key: getattr(cast.format, key) for key in ("largest", "smallest_normal", "smallest", "spacing")}
    kept = [value if math.isfinite(value) else None for value in cast.kept.tolist()] if few else None
    each = {"kept": kept, "fates": list(cast.fates) if few else None}
    return {"format": cast.format.name, **limits, "scale": cast.scale, "shares": cast.shares, **each}


def number_format(name: str) -> Format:
    """The limits of a format.

    Raises:
        UnknownNameError: no such format.
    """
    if name not in DTYPES:
        raise unknown_name("narrow format", name, DTYPES)
    limits = torch.finfo(DTYPES[name])
    return Format(name, limits.max, limits.smallest_normal, limits.smallest_normal * limits.eps, limits.eps)


def cast_gradients(
    gradients: Sequence[float] | np.ndarray = TEXTBOOK,
    formats: Sequence[str] | None = None,
    scales: Sequence[float] = (1.0, SCALE),
    *,
    source: str = "the usual example",
) -> LossScaling:
    """Cast gradients to every format under every scale.

    Args:
        gradients: not 0; their signs make no difference and are dropped.
        formats: names of `DTYPES`; all if None.
        scales: above 0; powers of two change no digits.
        source: where the gradients are from, for people.

    Raises:
        UnknownNameError: no such format.
        InputError: a gradient of 0, or a scale that is not above 0.

    Example:
        >>> cast_gradients([9e-9], ["fp16"]).casts[0].fates, cast_gradients([9e-9], ["fp16"]).casts[1].fates
        (('vanishes',), ('survives',))
    """
    sizes = np.abs(np.asarray(gradients, dtype=np.float64).reshape(-1))
    if not sizes.size or not np.isfinite(sizes).all() or not sizes.all():
        raise InputError("gradients: must be finite numbers other than 0, at least one. Leave out those that are 0.", given=gradients)
    for scale in scales:
        number("scale", scale, above=0, below=math.inf, do="1 is no scale; powers of two are usual.")
    known = [number_format(name) for name in formats or DTYPES]
    return LossScaling(sizes, tuple(_cast(sizes, one, float(scale)) for one in known for scale in scales), source)


def _cast(sizes: np.ndarray, kind: Format, scale: float) -> CastGradients:
    scaled = torch.from_numpy(sizes * scale)
    # Out of float32, in which gradients are computed.
    narrow = scaled.to(torch.float32).to(DTYPES[kind.name]).to(torch.float64)
    error = (narrow - scaled).abs() / scaled
    beyond = ~narrow.isfinite() | ((narrow >= kind.largest) & (error > kind.spacing / 2))
    # The way through float32 may cost its own rounding beside the format's.
    sound = error <= kind.spacing / 2 + 2.0**-23
    codes = torch.where(beyond, 3, torch.where(narrow == 0, 2, torch.where(sound, 0, 1)))
    return CastGradients(kind, scale, (narrow / scale).numpy(), codes.numpy())


def model_gradients(
    task: Task,
    after: int = 0,
    *,
    optimizer: str = "adamw",
    formats: Sequence[str] | None = None,
    scales: Sequence[float] = (1.0, SCALE),
    seed: int = 0,
) -> LossScaling:
    """The gradients of a task's model, every entry that is not 0, cast to every format under every scale.

    Args:
        task: gives model, batches and loss.
        after: steps of training before the gradient is taken.
        optimizer: trains it until then, at the middle of its search.
        formats: names of `DTYPES`; all if None.
        scales: on the loss, above 0.
        seed: of everything random.

    Raises:
        UnknownNameError, InputError: an unusable setting.
        DivergedError: a loss that is not finite.
    """
    count("after", after, at_least=0, do="0 looks at the first step.")
    seen: list[np.ndarray] = []

    def look(moment: Moment) -> None:
        if moment.step == after + 1:
            seen.extend(g.flatten().double().numpy() for g in moment.gradients.values() if g is not None)

    train(task, Settings(optimizer, after + 1, seed=seed), look)
    found = np.concatenate(seen)
    source = f"{task.name}, {f'after {after:,} steps' if after else 'before the first step'}"
    return cast_gradients(found[found != 0], formats, scales, source=source)
