"""How a step finds and leaves a parameter and its state: widened for arithmetic, narrowed again for keeping.

A driver gets, per parameter, a dictionary of what is kept: slots by symbol, and beside them

    m_scale         scales of slot m's blocks, where m is kept in 8 bits
    master          the float32 weight of which the parameter is the rounded copy
    compensation    what the parameter's rounding left over (Kahan)
    _key            0-d int32, the key of what is rounded by chance; `_weight_key` too where that holds for the weight

What is kept there says by its dtype how it is kept, so that state taken over from a checkpoint needs no second book.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Required, TypedDict

import torch
from torch import Tensor

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.optim import quantised, rounding
from ravine.optim._drivers import compute_dtype
from ravine.rules import _keeping
from ravine.rules._keeping import WEIGHTS
from ravine.rules._rule import Slot, State

BFLOAT16 = "bfloat16"
MASTER, COMPENSATION = "master", "compensation"
KEY, WEIGHT_KEY = "_key", "_weight_key"
SCALE = "_scale"
_NARROW = (torch.bfloat16, torch.float16)


class StateOptions(TypedDict, total=False):
    """Keywords of every drop-in class: how state and weights are kept.

    Attributes:
        state_dtype: None for float32, torch.bfloat16 or "bfloat16" (rounded by chance), or "8bit" (blocks of 256).
            Slots that copy the weight or have another shape stay float32.
        weights: for parameters in bfloat16 and float16: "plain", "stochastic", "kahan" or "master".
        seed: of what is rounded by chance.
    """

    state_dtype: torch.dtype | Literal["8bit", "bfloat16"] | None
    weights: Literal["plain", "stochastic", "kahan", "master"]
    seed: int


class Kept(TypedDict):
    """The same with every option there."""

    state_dtype: Required[str | None]
    weights: Required[str]
    seed: Required[int]


DEFAULTS: Kept = {"state_dtype": None, "weights": "plain", "seed": 0}
"""Options that nobody gave."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A group's options, read.

    Attributes:
        state_dtype: None, "bfloat16" or "8bit".
        weights: one of `WEIGHTS`.
        seed: of what is rounded by chance.
    """

    state_dtype: str | None = None
    weights: str = "plain"
    seed: int = 0

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> "Storage":
        """The options of a param group; what it lacks takes the default."""
        options = spelt(group)
        return cls(**{name: options.get(name, default) for name, default in DEFAULTS.items()})

    def format_of(self, slot: Slot, param: Tensor) -> torch.dtype:
        """The dtype in which a slot of a parameter is kept."""
        wide = compute_dtype(param.dtype)
        if slot.copies or slot.shape is not None or self.state_dtype is None:
            return wide
        if self.state_dtype == BFLOAT16:
            return torch.bfloat16
        return (torch.uint8 if slot.unsigned else torch.int8) if is_blockwise(param) else wide


def spelt(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the dtype by its name, since torch's distributed checkpoints refuse groups that hold a dtype."""
    is_dtype = isinstance(settings.get("state_dtype"), torch.dtype)
    return {**settings, "state_dtype": str(settings["state_dtype"]).removeprefix("torch.")} if is_dtype else dict(settings)


def check(group: Mapping[str, Any], *, where: str) -> None:
    """Refuse options that do not exist.

    Raises:
        InputError: with `where` in its message.
    """
    given = Storage.of(group)
    if given.state_dtype not in (None, BFLOAT16, "8bit"):
        allowed = "must be None, torch.bfloat16 or '8bit'"
        raise InputError(f"state_dtype={given.state_dtype!r} for {where}: {allowed}. Leave it out for float32.", given=given.state_dtype)
    if given.weights not in WEIGHTS:
        raise unknown_name(f"way to keep weights of {where}", str(given.weights), WEIGHTS)
    if not isinstance(given.seed, int) or isinstance(given.seed, bool) or given.seed < 0:
        raise InputError(f"seed={given.seed!r} for {where}: must be a whole number of at least 0. Use such a number.", given=given.seed)


def is_narrow(param: Tensor) -> bool:
    """Whether a parameter is narrower than its arithmetic."""
    return compute_dtype(param.dtype) != param.dtype


def is_sharded(tensor: Tensor) -> bool:
    """Whether a tensor is one process's part of a DTensor."""
    return hasattr(tensor, "_local_tensor")


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor, sharing its memory; the tensor itself where it is whole."""
    part: Tensor = getattr(tensor, "_local_tensor", tensor)
    return part


def distributed(part: Tensor, like: Tensor) -> Tensor:
    """A DTensor placed as `like`, of which `part` is this process's part; `part` itself where `like` is whole.

    Where the parts' shapes differ, as for scales of blocks, the parts of all processes are equally long.
    """
    if not is_sharded(like):
        return part
    from torch.distributed.tensor import DTensor  # noqa: PLC0415 - loads torch.distributed, which few need

    meant: Any = like
    shape, stride = (like.shape, like.stride()) if part.shape == meant._local_tensor.shape else (None, None)
    return DTensor.from_local(part, meant.device_mesh, meant.placements, run_check=False, shape=shape, stride=stride)


def offset(tensor: Tensor) -> int:
    """Where this process's part begins in a tensor's elements: 0 where it is whole."""
    if not is_sharded(tensor):
        return 0
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset  # noqa: PLC0415 - as in `distributed`

    meant: Any = tensor
    _, starts = compute_local_shape_and_global_offset(tensor.shape, meant.device_mesh, meant.placements)
    return sum(start * stride for start, stride in zip(starts, tensor.stride(), strict=True))


def is_blockwise(param: Tensor) -> bool:
    """Whether a parameter's moments can be kept in 8 bits; a DTensor needs equal parts that whole blocks fill."""
    if not is_sharded(param):
        return _keeping.is_blockwise(param.numel())
    meant: Any = param
    ways = [mesh for mesh, placement in zip(meant.device_mesh.shape, meant.placements, strict=True) if not placement.is_replicate()]
    along_rows = all(placement.is_replicate() or placement.is_shard(0) for placement in meant.placements)
    parts = 1
    for size in ways:
        parts *= size
    return along_rows and param.ndim > 0 and param.shape[0] % parts == 0 and _keeping.is_blockwise(param.numel() // parts)


def keep(values: Tensor, kind: torch.dtype, key: Tensor | None = None, stream: int = 0) -> tuple[Tensor, Tensor | None]:
    """Values as they are kept in the format `kind`, and their scales where that has some.

    Args:
        values: wide.
        kind: uint8 and int8 stand for 8-bit codes.
        key: of the draws; to the nearest without one.
        stream: another number for another tensor under the same key.
    """
    if kind in (torch.uint8, torch.int8):
        return quantised.encode(values, unsigned=kind == torch.uint8)
    if key is not None and kind == torch.bfloat16 and values.dtype != kind:
        values = rounding.by_chance(values.to(torch.float32), kind, key, stream)
    return values.to(kind), None


def opened(param: Tensor, kept: State) -> tuple[Tensor, State]:
    """A parameter and its slots in the dtype of arithmetic."""
    wide = compute_dtype(param.dtype)
    slots = {symbol: _wide(symbol, value, kept, wide) for symbol, value in kept.items() if is_slot(symbol)}
    if MASTER in kept:
        return kept[MASTER], slots
    return param.to(wide) + kept[COMPENSATION].to(wide) if COMPENSATION in kept else param.to(wide), slots


def closed(param: Tensor, moved: Tensor, after: State, kept: State) -> State:
    """Write a weight into its parameter, and say what is to be kept.

    Args:
        param: the parameter as it is kept.
        moved: the weight after the step, wide.
        after: the rule's next slots.
        kept: what `opened` was given.
    """
    result = stored(after, kept)
    if MASTER in kept:
        result[MASTER] = moved
    if COMPENSATION in kept:
        rounded = rounding.nearest(moved, param.dtype)
        result[COMPENSATION] = (moved - rounded).to(param.dtype)
        param.copy_(rounded)
    elif WEIGHT_KEY in kept:
        param.copy_(rounding.by_chance(moved, param.dtype, kept[WEIGHT_KEY], 0))
    elif moved is not param:
        param.copy_(moved)
    return result


def stored(slots: State, kept: State) -> State:
    """Wide slots in the formats that `kept` holds them in."""
    result: State = {}
    for stream, (symbol, values) in enumerate(slots.items(), 1):
        kind = kept[symbol].dtype if symbol in kept else values.dtype
        result[symbol], scale = keep(values, kind, kept.get(KEY), stream)
        if scale is not None:
            result[symbol + SCALE] = scale
    return result


def is_plain(kept: Sequence[State]) -> bool:
    """Whether a driver can take what is kept as it is."""
    for own in kept:
        for name, value in own.items():
            if value.dtype in _NARROW or not is_slot(name):
                return False
    return True


def is_slot(name: str) -> bool:
    """Whether a name of what is kept is a slot's symbol."""
    return not name.endswith(SCALE) and name not in (MASTER, COMPENSATION, KEY, WEIGHT_KEY)


def _wide(symbol: str, value: Tensor, kept: State, wide: torch.dtype) -> Tensor:
    if symbol + SCALE in kept:
        return quantised.decode(value, kept[symbol + SCALE]).to(wide)
    # Slots of a parameter that was made wider since keep what they were until their next values.
    return value.to(wide) if value.dtype in _NARROW else value
