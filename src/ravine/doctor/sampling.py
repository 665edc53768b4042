"""One step of somebody else's loop, measured from hooks: gradients as they come and as they are used, and what the step did.

Everything stays a tensor until it is read, so that a device is waited for once.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from ravine.doctor.edits import CHANGED

SLICE = 1 << 16
"""Numbers of a tensor that its relative update is measured on, evenly spread over it."""
HALVES = (torch.float16, torch.bfloat16)
"""Types whose norms would overflow, or round, in themselves."""
SURE = 0.99
"""Largest share from which a row tells nothing: all scales of its scores have the same gradient then."""
ALIKE = 0.05
"""Difference from the gradient of a cross-entropy, relative: half precision has three digits."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one step was.

    Attributes:
        gradients: norms as the optimizer got them; NaN where there was none, (parameters,).
        updates: norm of the change over the norm of the weights before it, (parameters,); NaN where nothing was there to change.
        has_gradient: whether there was one, (parameters,).
        passes: backward passes that made the gradient.
        small: mean squared norm of the gradient of one pass, on the scale of their sum; None where it is not known.
        big: squared norm of the gradient of all passes; None where it is not known.
        raw: norm of the gradient as it came, before anything was done to it; None where it is not known.
        was_zeroed: whether gradients of the step before were gone when this step's came; None where none came.
        was_edited: whether the weights stood where the last step had left them.
        weight: summed weights of the rows of a cross-entropy: 1 for a mean; None where no such loss was seen.
        classes: of that loss.
        is_closed: whether the optimizer asked for its gradients itself.
        unmoved: share of the numbers with a gradient that the step left as they were, (parameters,); NaN where weights are not in half
            precision, or the optimizer makes up for their rounding; empty where none are judged.
        squares: of each backward pass the loss that its gradient would have if it were a mean of squares; empty where it is not known.
        sizes: norms of the weights before the step, (parameters,); NaN where no optimizer has them.
        left: norm of each gradient as the loop goes on, over its norm right after the step, (parameters,); NaN where none stood or others
            came.
    """

    gradients: list[float]
    updates: list[float]
    has_gradient: list[bool]
    passes: int
    small: float | None
    big: float | None
    raw: float | None
    was_zeroed: bool | None
    was_edited: bool
    weight: float | None
    classes: int | None
    is_closed: bool
    unmoved: list[float] = field(default_factory=list)
    squares: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Came:
    """Norms of gradients on their way into parameters, and of what they add up to; and which came after the step."""

    parts: dict[int, list[Tensor]] = field(default_factory=dict)
    sums: dict[int, Tensor] = field(default_factory=dict)
    zeroed: list[bool] = field(default_factory=list)
    weight: list[Tensor] = field(default_factory=list)
    squares: list[Tensor] = field(default_factory=list)
    width: int = 1
    classes: int | None = None
    late: set[int] = field(default_factory=set)


@final
class Sample:
    """Watches parameters from the end of one step to the end of the next.

    Args:
        params: that are trained, by name.
        scale: of the loss, which every gradient carries on its way; None where there is none.
        is_distributed: whether gradients are averaged over processes after they came.
    """

    def __init__(self, params: Mapping[str, nn.Parameter], scale: float | None, *, is_distributed: bool = False) -> None:
        self._params = list(params.values())
        self._scale, self._is_distributed = scale, is_distributed
        self._came, self._is_closed, self._is_stepped = _Came(), False, False
        self._edits: list[Tensor] = []
        self._before = [spread(p).clone() for p in self._params]
        self._sizes: dict[int, Tensor] = {}
        self._hookless = [p._backward_hooks is None for p in self._params]
        self._small = min(range(len(self._params)), key=lambda place: self._params[place].numel(), default=0)
        self._handles = [_hooked(p, self._coming(place)) for place, p in enumerate(self._params) if p.requires_grad]
        self._gradients: list[Tensor | None] = [None] * len(self._params)
        self._updates: list[Tensor | None] = [None] * len(self._params)
        self._unmoved: list[Tensor | None] = [None] * len(self._params)
        self._stood: dict[int, Tensor] = {}
        self._factor = 1.0

    @property
    def knows_scale(self) -> bool:
        """Whether a loss scale was given."""
        return self._scale is not None

    def output(self, out: Tensor) -> None:
        """An output from which gradients will come: those of a mean of cross-entropies say so themselves."""
        scores = out.detach()

        def look(gradient: Tensor) -> None:
            self._came.squares.append(as_squares(gradient))
            self._came.width = gradient.numel() // max(1, len(gradient))
            found = weight_of_rows(scores, gradient) if scores.ndim > 1 else None
            if found is not None:
                self._came.weight.append(found / (self._scale or 1.0))
                self._came.classes = gradient.shape[-1]

        self._handles.append(_hooked(out, look))

    def before(self, optimizer: torch.optim.Optimizer, *, is_closed: bool) -> None:
        """An optimizer is about to step."""
        places = self._places(optimizer)
        held, now = self._of(places)
        edits = changes(held, now)
        if places:
            torch._foreach_copy_(held, now)
        self._sizes |= zip(places, norms(held), strict=True)
        self._edits += self._relative(places, edits).values()
        scale = getattr(optimizer, "grad_scale", None)
        self._factor = 1.0 / float(scale) if isinstance(scale, Tensor) else 1.0
        self._is_closed = self._is_closed or is_closed
        if not is_closed:
            self._measure(places)

    def after(self, optimizer: torch.optim.Optimizer, *, is_closed: bool) -> None:
        """It has stepped."""
        places, self._is_stepped = self._places(optimizer), True
        if is_closed:
            self._measure(places)
        self._stood |= self._standing(places)
        held, now = self._of(places)
        for place, ratio in self._relative(places, changes(held, now)).items():
            self._updates[place] = ratio
        narrow = [(place, old, new) for place, old, new in zip(places, held, now, strict=True) if new.dtype in HALVES]
        groups = {id(p): group for group in optimizer.param_groups for p in group["params"]} if narrow else {}
        for place, old, new in narrow:
            p = self._params[place]
            if not makes_up(groups[id(p)], optimizer.state.get(p, {}), p):
                self._unmoved[place] = unmoved(old, new, p.grad)

    def close(self) -> None:
        """Take every hook away; a second call does nothing."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        for p, was_bare in zip(self._params, self._hookless, strict=True):
            if was_bare and not p._backward_hooks:
                p._backward_hooks = None

    def read(self) -> Measured | None:
        """What was measured; None where no optimizer stepped."""
        self.close()
        if not self._is_stepped:
            return None
        gradients, updates = _read(self._gradients), _read(self._updates)
        passes = max((len(parts) for parts in self._came.parts.values()), default=0)
        raw = None if self._is_closed or not self._came.sums else float(torch.stack(list(self._came.sums.values())).norm())
        raw = None if raw is None else raw / (self._scale or 1.0)
        small, big = (None, None) if self._is_closed else self._noise(passes, raw, gradients)
        weight = float(torch.stack(self._came.weight).sum()) if self._came.weight else None
        zeroed = any(self._came.zeroed) if self._came.zeroed else None
        was_edited = any(size > CHANGED for size in _read(self._edits))
        has = [gradient is not None for gradient in self._gradients]
        classes, is_closed = self._came.classes, self._is_closed
        still = _read(self._unmoved) if any(share is not None for share in self._unmoved) else []
        more = {"squares": self._squares(passes), "sizes": self._weights(), "left": self._left()}
        return Measured(
            gradients, updates, has, passes, small, big, raw, zeroed, was_edited, weight, classes, is_closed, unmoved=still, **more
        )

    def _places(self, optimizer: torch.optim.Optimizer) -> list[int]:
        own = {id(p) for group in optimizer.param_groups for p in group["params"]}
        return [place for place, p in enumerate(self._params) if id(p) in own]

    def _of(self, places: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
        """What stood there before, and what stands there now."""
        return [self._before[place] for place in places], [spread(self._params[place]) for place in places]

    def _relative(self, places: Sequence[int], moved: list[Tensor]) -> dict[int, Tensor]:
        """To the weights right before the step; NaN where both are 0."""
        found = torch._foreach_div(moved, [self._sizes[place] for place in places]) if places else ()
        return dict(zip(places, found, strict=True))

    def _weights(self) -> list[float]:
        """Norms of whole parameters, from those of what was taken of each."""
        shares = [math.sqrt(p.numel() / max(1, held.numel())) for p, held in zip(self._params, self._before, strict=True)]
        return [size * share for size, share in zip(_read([self._sizes.get(place) for place in range(len(shares))]), shares, strict=True)]

    def _standing(self, places: Sequence[int]) -> dict[int, Tensor]:
        """Norms of the gradients that stand there now."""
        known = [(place, grad) for place in places if (grad := self._params[place].grad) is not None]
        return dict(zip((place for place, _ in known), norms([grad for _, grad in known]), strict=True))

    def _left(self) -> list[float]:
        now = self._standing([place for place in self._stood if place not in self._came.late])
        return _read([now[place] / self._stood[place] if place in now else None for place in range(len(self._params))])

    def _measure(self, places: Sequence[int]) -> None:
        known = [(place, grad) for place in places if (grad := self._params[place].grad) is not None]
        for (place, _), size in zip(known, norms([grad for _, grad in known]), strict=True):
            self._gradients[place] = size if self._factor == 1.0 else size * self._factor

    def _coming(self, place: int) -> Callable[[Tensor], None]:
        parts = self._came.parts.setdefault(place, [])

        def look(gradient: Tensor) -> None:
            held = self._params[place].grad
            size = norm(gradient)
            if place in self._stood:
                self._came.late.add(place)
            parts.append(size)
            self._came.sums[place] = size if held is None or gradient.is_sparse else norm(held + gradient)
            if place == self._small:
                self._came.zeroed.append(held is None or not bool(whole(held).any()))

        return look

    def _squares(self, passes: int) -> list[float]:
        """Losses of the passes; none where a sum over as many columns, divided by the passes, would have the same gradients."""
        if self._is_closed or len(self._came.squares) != passes or self._came.width == passes**2:
            return []
        return [value / (self._scale or 1.0) ** 2 for value in _read(self._came.squares)]

    def _noise(self, passes: int, raw: float | None, gradients: Sequence[float]) -> tuple[float | None, float | None]:
        """Squared norms of the gradient of one pass and of all, which the noise scale is made of."""
        rows = [parts for parts in self._came.parts.values() if parts]
        if not rows or any(len(parts) != passes for parts in rows) or (passes < 2 and not self._is_distributed):
            return None, None
        factor = passes / (self._scale or 1.0)
        small = float(torch.stack([torch.stack(parts).square().mean() for parts in rows]).sum()) * factor**2
        if not self._is_distributed:
            return small, None if raw is None else raw**2
        return small, sum(size**2 for size in gradients if not math.isnan(size))


def as_squares(gradient: Tensor) -> Tensor:
    """The loss that has this gradient if it is the mean of squared differences, whose own is 2 d / n."""
    return norm(gradient).square() * (gradient.numel() / 4)


def unmoved(old: Tensor, new: Tensor, gradient: Tensor | None) -> Tensor | None:
    """Share of the numbers with a gradient that are what they were; None where there is no such number.

    Args:
        old: numbers before a step, evenly spread over a parameter.
        new: after it.
        gradient: of the whole parameter.
    """
    if gradient is None or gradient.is_sparse:
        return None
    driven = spread(gradient) != 0
    # Of none it is NaN, which is what is not known.
    return ((old == new) & driven).sum() / driven.sum()


def makes_up(group: Mapping[str, Any], state: Mapping[str, Any], p: Tensor) -> bool:
    """Whether an optimizer keeps what rounding takes from a weight: in a wider copy, in a sum of the rest, or by chance.

    Args:
        group: settings of the weight.
        state: kept for it.
        p: the weight.
    """
    said = " ".join(f"{key}={value}" for key, value in group.items() if key != "params" and value)
    if any(word in said for word in ("stochastic", "kahan", "master")):
        return True
    kept = [one for one in state.values() if isinstance(one, Tensor) and one.shape == p.shape]
    return any(one.dtype not in HALVES and bool((one.to(p.dtype) == p.detach()).all()) for one in kept)


def _hooked(tensor: Tensor, look: Callable[[Tensor], None]) -> Any:
    return tensor.register_hook(look)  # type: ignore[no-untyped-call]  # torch leaves it untyped


def spread(p: Tensor) -> Tensor:
    """Numbers of a tensor, evenly spread over it; no copy of one that is short."""
    own = whole(p.detach())
    if own.numel() <= SLICE:
        return own
    flat = own.reshape(-1)
    # An odd distance, which meets every column of a matrix whose width is a power of two.
    stride = (flat.numel() // SLICE) | 1
    return flat[::stride]


def whole(tensor: Tensor) -> Tensor:
    """Its numbers as one plain tensor: of one that is shared between processes, this process's part."""
    if type(tensor) is Tensor and tensor.layout is torch.strided:
        return tensor
    if hasattr(tensor, "to_local"):
        return tensor.to_local()  # type: ignore[no-any-return]
    return tensor.coalesce().values() if tensor.is_sparse else tensor


def norm(tensor: Tensor) -> Tensor:
    """In float32 at least."""
    own = whole(tensor.detach())
    size: Tensor = torch.linalg.vector_norm(own, dtype=torch.float32 if own.dtype in HALVES else None)
    return size


def changes(old: list[Tensor], new: list[Tensor]) -> list[Tensor]:
    """Norm of each."""
    return norms(torch._foreach_sub(new, old)) if old else []


def norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Of each, in float32 at least."""
    given = [whole(tensor.detach() if tensor.requires_grad else tensor) for tensor in tensors]
    if not given:
        return []
    if any(tensor.dtype in HALVES for tensor in given):
        return list(torch._foreach_norm(given, 2, dtype=torch.float32))
    return list(torch._foreach_norm(given, 2))


def weight_of_rows(output: Tensor, gradient: Tensor) -> Tensor | None:
    """The summed weights of the rows of a cross-entropy over these scores: 1 for a mean; None of any other loss.

    The gradient of a row of weight w is w (softmax(z) - e_y), which tells w and y, and whether it is that loss at all.

    Args:
        output: scores, (..., classes).
        gradient: of the loss, of the same shape.
    """
    if gradient.shape[-1] < 2 or not gradient.numel():
        return None
    rows, shares = gradient.detach().float().flatten(0, -2), output.detach().float().flatten(0, -2).softmax(1)
    low, truth = rows.min(1, keepdim=True)
    missing = 1 - shares.gather(1, truth)
    # Rows that are left out have no gradient at all.
    is_sure, is_used = shares.amax(1) > SURE, rows.any(1)
    judged = is_used & ~is_sure
    if not bool(judged.all()):
        rows, shares, truth, missing, low = (one[judged] for one in (rows, shares, truth, missing, low))
    if not len(rows):
        return None
    weights = -low / missing
    off = rows - weights * shares
    # The other part of its gradient, which all scores but the true one lack.
    off.scatter_add_(1, truth, weights)
    if not bool((off.abs().amax(1) <= -ALIKE * low.squeeze(1)).all()):
        return None
    return weights.mean() * (is_used | is_sure).sum()


def _read(values: Sequence[Tensor | None]) -> list[float]:
    known = [value for value in values if value is not None]
    if all(value.is_cpu for value in known):
        # One by one is faster where nothing has to be waited for.
        left = iter([value.item() for value in known])
    else:
        left = iter(torch.stack([value.float().to(known[0].device) for value in known]).tolist())
    return [float("nan") if value is None else next(left) for value in values]
