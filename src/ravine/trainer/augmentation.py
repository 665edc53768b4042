"""Random changes to a batch before it is trained on: crops, flips, mixtures, label smoothing and masked tokens.

Each is a frozen value and a pure function (batch, generator) -> batch. The generator is seeded from the number of the
batch, so that a resumed run draws what the run before would have drawn. Validation is never changed.

Shapes: B rows, C channels, H height, W width, T time, K classes.
"""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError, TaskError
from ravine.tasks import Task
from ravine.tasks.hints import name_of

Batch = tuple[Any, ...]
"""Inputs, and the target at the end."""


@dataclass(frozen=True)
class Transform(abc.ABC):
    """The base of every transform."""

    name: ClassVar[str]

    @abc.abstractmethod
    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """A new batch; the given one is not written into."""

    def check(self, batch: Batch) -> None:
        """Refuse inputs that this cannot change.

        Raises:
            TaskError: they are of another kind.
        """
        del batch

    def __str__(self) -> str:
        values = [getattr(self, setting.name) for setting in dataclasses.fields(self) if setting.name != "classes"]
        return f"{self.name}={values[0]:g}" if values else self.name


@final
@dataclass(frozen=True)
class Crop(Transform):
    """Every image moved by up to `padding` pixels each way, zeros where nothing was: (B, C, H, W) or (B, H, W).

    Args:
        padding: pixels added on every side before a crop of the old size is taken.
    """

    name = "crop"
    padding: int = 4

    def __post_init__(self) -> None:
        count("crop", self.padding)

    def check(self, batch: Batch) -> None:
        """Refuse what are no images, and to move images out of sight."""
        height, width = _images(batch, self.name).shape[-2:]
        count("crop", self.padding, at_most=min(height, width) - 1, do=f"The images have {height} x {width} pixels.")

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """The batch with its images moved."""
        images = _images(batch, self.name)
        rows, height, width = images.shape[0], images.shape[-2], images.shape[-1]
        padded = F.pad(images, (self.padding,) * 4)
        shifts = torch.randint(0, 2 * self.padding + 1, (2, rows, 1), generator=generator).to(images.device)
        at_H, at_W = (shift + torch.arange(size, device=images.device) for shift, size in zip(shifts, (height, width), strict=True))
        row = torch.arange(rows, device=images.device)[:, None, None]
        # Indices of rows, heights and widths stand beside one another once channels are last.
        moved = padded.movedim(1, -1) if images.ndim == 4 else padded
        taken = moved[row, at_H[:, :, None], at_W[:, None, :]]
        return (taken.movedim(-1, 1) if images.ndim == 4 else taken, *batch[1:])


@final
@dataclass(frozen=True)
class Flip(Transform):
    """Every image mirrored left to right with a chance of one half: (B, C, H, W) or (B, H, W)."""

    name = "flip"

    def check(self, batch: Batch) -> None:
        """Refuse what are no images."""
        _images(batch, self.name)

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """The batch with some of its images mirrored."""
        images = _images(batch, self.name)
        chosen = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
        return torch.where(chosen.view(-1, *[1] * (images.ndim - 1)), images.flip(-1), images), *batch[1:]


@final
@dataclass(frozen=True)
class Smooth(Transform):
    """Label smoothing: targets y become (1 - s) onehot(y) + s / K, as `cross_entropy(label_smoothing=s)` has them.

    Args:
        smoothing: s, at least 0 and below 1.
        classes: K.

    References:
        Szegedy et al. (2016), Rethinking the Inception architecture, arXiv:1512.00567, section 7.
    """

    name = "smooth"
    smoothing: float = 0.1
    classes: int = 0

    def __post_init__(self) -> None:
        number("smooth", self.smoothing, at_least=0.0, below=1.0)

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """The batch with targets as shares of classes."""
        del generator
        target = _shares(batch[-1], self.classes)
        return *batch[:-1], (1.0 - self.smoothing) * target + self.smoothing / self.classes


@final
@dataclass(frozen=True)
class Mixup(Transform):
    """Every row mixed with another: w x + (1 - w) x', and targets alike, with one w ~ Beta(alpha, alpha) a batch.

    Args:
        alpha: above 0; small ones mix little.
        classes: K, where targets are class numbers.

    References:
        Zhang et al. (2018), mixup: beyond empirical risk minimization, arXiv:1710.09412, equation 1.
    """

    name = "mixup"
    alpha: float = 0.2
    classes: int = 0

    def __post_init__(self) -> None:
        number("mixup", self.alpha, above=0.0, below=float("inf"))

    def check(self, batch: Batch) -> None:
        """Refuse inputs that are no numbers."""
        _floating(batch[:-1], self.name)

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """The batch, mixed with itself in another order."""
        share, order = _beta(self.alpha, generator), torch.randperm(len(batch[-1]), generator=generator)
        parts = [*batch[:-1], _shares(batch[-1], self.classes)]
        return tuple(share * part + (1.0 - share) * part[order.to(part.device)] for part in _floating(parts, self.name))


@final
@dataclass(frozen=True)
class CutMix(Transform):
    """A rectangle of every image taken from another, and targets mixed by its area; one rectangle a batch.

    Its area is 1 - w of the image's, w ~ Beta(alpha, alpha), and it is cut off at the edge.

    Args:
        alpha: above 0.
        classes: K, where targets are class numbers.

    References:
        Yun et al. (2019), CutMix, arXiv:1905.04899, section 3.1.
    """

    name = "cutmix"
    alpha: float = 1.0
    classes: int = 0

    def __post_init__(self) -> None:
        number("cutmix", self.alpha, above=0.0, below=float("inf"))

    def check(self, batch: Batch) -> None:
        """Refuse what are no images."""
        _images(batch, self.name)

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """The batch with a rectangle of itself in another order."""
        images, target = _images(batch, self.name), _shares(batch[-1], self.classes)
        order = torch.randperm(len(images), generator=generator).to(images.device)
        side = (1.0 - _beta(self.alpha, generator)) ** 0.5
        top, bottom = _span(images.shape[-2], side, generator)
        left, right = _span(images.shape[-1], side, generator)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images[order][..., top:bottom, left:right]
        share = 1.0 - (bottom - top) * (right - left) / (images.shape[-2] * images.shape[-1])
        return mixed, *batch[1:-1], share * target + (1.0 - share) * target[order]


@final
@dataclass(frozen=True)
class MaskTokens(Transform):
    """Every input token replaced by token 0 with a chance of `share`; targets stay, so that what is hidden is predicted.

    Args:
        share: of all tokens, at least 0 and below 1.
    """

    name = "mask"
    share: float = 0.15

    def __post_init__(self) -> None:
        number("mask", self.share, at_least=0.0, below=1.0)

    def check(self, batch: Batch) -> None:
        """Refuse what are no tokens."""
        tokens = batch[0]
        if not isinstance(tokens, Tensor) or tokens.is_floating_point() or tokens.ndim < 2:
            raise TaskError(f"mask needs tokens, integers of shape (B, T), and {_said(tokens)}. Leave it out.")

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """The batch with some of its tokens hidden."""
        self.check(batch)
        tokens = batch[0]
        hidden = (torch.rand(tokens.shape, generator=generator) < self.share).to(tokens.device)
        return tokens.masked_fill(hidden, 0), *batch[1:]


REGISTRY: Mapping[str, type[Transform]] = MappingProxyType({kind.name: kind for kind in (Crop, Flip, Smooth, Mixup, CutMix, MaskTokens)})
"""Every transform by name."""


def create(given: str | Sequence[Transform], task: Task) -> tuple[Transform, ...]:
    """Transforms as they are, or from text such as "crop=4,flip,mixup=0.2", for a task.

    Raises:
        UnknownNameError: no transform of that name.
        InputError: a value is no number or out of range, or the task has no (inputs, target) to change.
        TaskError: its inputs are of another kind.
    """
    found = [_parsed(part.strip()) for part in given.split(",") if part.strip()] if isinstance(given, str) else list(given)
    if isinstance(given, str) and not found:
        raise InputError(f"augment={given!r} names no transform. Give some of {', '.join(REGISTRY)}, or leave it out.", given=given)
    if found and task.loss is None:
        reason = "the task has a step of its own, which hides what is input and what target"
        raise InputError(f"augment={given!r}: {reason}. Change rows there.")
    for transform in found if isinstance(task.data.train, tuple) else ():
        transform.check(task.data.train)
    return tuple(_with_classes(transform, task) for transform in found)


def _parsed(text: str) -> Transform:
    name, equals, value = text.partition("=")
    if name not in REGISTRY:
        raise unknown_name("transform", name, REGISTRY)
    settings = [setting for setting in dataclasses.fields(REGISTRY[name]) if setting.name != "classes"]
    if not equals:
        return REGISTRY[name]()
    if not settings:
        raise InputError(f"augment={text!r}: {name} takes no value. Write {name!r}.", given=text)
    try:
        return REGISTRY[name](int(value) if settings[0].type in (int, "int") else float(value))  # type: ignore[call-arg]
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        kind = "whole number" if isinstance(settings[0].default, int) else "number"
        raise InputError(f"augment={text!r}: must be a {kind} after '='. Write it like {name}={settings[0].default}.", given=text) from None


def _with_classes(transform: Transform, task: Task) -> Transform:
    """The transform with the task's number of classes, where it needs one."""
    if getattr(transform, "classes", None) != 0:
        return transform
    train: Any = task.data.train
    target = train[-1] if isinstance(train, tuple) else None
    if not isinstance(target, Tensor):
        raise InputError(f"{transform.name}: the task's target is no tensor. Leave it out.")
    if target.is_floating_point():
        if isinstance(transform, Smooth) and target.ndim < 2:
            raise InputError(f"{transform.name}: targets are numbers, not classes. Leave it out.")
        return _replaced(transform, target.shape[-1]) if target.ndim > 1 else transform
    if task.loss is not F.cross_entropy and not isinstance(task.loss, torch.nn.CrossEntropyLoss):
        given = f"{transform.name} turns classes into shares, which only torch's cross entropy takes, and the loss is {name_of(task.loss)}"
        raise InputError(f"{given}. Use that loss, or leave it out.")
    if target.ndim > 1 or bool((target < 0).any()):
        raise InputError(f"{transform.name} needs one class a row, none of them below 0. Leave it out.")
    return _replaced(transform, _classes(task, target))


def _replaced(transform: Any, classes: int) -> Transform:
    found: Transform = dataclasses.replace(transform, classes=classes)
    return found


def _classes(task: Task, target: Tensor) -> int:
    """Outputs of the model, where one row tells; a class may have no rows in the data."""
    train: Any = task.data.train
    with torch.no_grad():
        output = task.build(0).eval()(*(part[:1] for part in train[:-1]))
    return int(output.shape[1]) if isinstance(output, Tensor) and output.ndim > 1 else int(target.max()) + 1


def _images(batch: Batch, name: str) -> Tensor:
    images = batch[0]
    if not isinstance(images, Tensor) or images.ndim not in (3, 4) or not images.is_floating_point():
        raise TaskError(
            f"{name} needs images, floats of shape (B, C, H, W) or (B, H, W), and {_said(images)}. Leave it out, or train on images."
        )
    return images


def _floating(parts: Sequence[Any], name: str) -> list[Tensor]:
    for part in parts:
        if not isinstance(part, Tensor) or not part.is_floating_point():
            raise TaskError(f"{name} mixes numbers, and {_said(part)}. Leave it out; for tokens there is mask.")
    return list(parts)


def _shares(target: Tensor, classes: int) -> Tensor:
    """Class numbers as shares of classes, (B, K); anything floating as it is."""
    return target if target.is_floating_point() else F.one_hot(target, classes).to(torch.get_default_dtype())


def _beta(alpha: float, generator: Generator) -> float:
    """A draw from Beta(alpha, alpha), as the share of one of two draws from Gamma(alpha)."""
    first, second = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    return first / (first + second) if first + second else 0.5


def _span(size: int, side: float, generator: Generator) -> tuple[int, int]:
    """Where a cut of `side * size` around a random place begins and ends."""
    centre, half = int(torch.randint(0, size, (), generator=generator)), round(side * size) // 2
    return max(0, centre - half), min(size, centre + half)


def _said(part: Any) -> str:
    return f"the input has {part.dtype} of shape {tuple(part.shape)}" if isinstance(part, Tensor) else f"the input is {type(part).__name__}"
