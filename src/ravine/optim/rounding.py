"""Rounding of float32 results to bfloat16 and float16: to the nearest, or up and down by chance.

A weight of 1.0 in bfloat16 has its neighbours at 2^-8 and 2^-7: rounded to the nearest, steps of 1e-3 never move it.
Rounded by chance, up with a probability equal to the share of the way up, it moves by the right amount on average.

Chance is a hash of a key and of each element's index, not a generator's stream. So every driver draws the same
numbers, a compiled step draws them in registers, and a resumed run goes on with them: seed and step say them all.
"""

import torch
from torch import Tensor

_DROPPED = {torch.bfloat16: 16, torch.float16: 13}
"""Bits of a float32 that the narrower dtype has no room for."""
_HALF_NORMAL, _HALF_SPACING = 2.0**-14, 2.0**-24
"""Below the first, float16 values lie the second apart."""

_WORD, _SIGN = 1 << 32, 1 << 31
# Constants of a 32-bit mixer: two multiplications between xors with the value's own high bits.
_MIX = (0x7FEB352D, 0x846CA68B - _WORD)
_STREAM = 0x9E3779B9


def key_of(seed: int, step: int, position: int) -> int:
    """The key of one parameter's draws at one step, a signed 32-bit number.

    Args:
        seed: of the optimizer.
        step: of the parameter, from 1.
        position: of the parameter in the optimizer.
    """
    value = 0
    for part in (seed, step, position):
        # The finaliser of SplitMix64 (Steele, Lea, Flood, 2014) over the parts, one after the other.
        value = (value + part + 0x9E3779B97F4A7C15) & (2**64 - 1)
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        value ^= value >> 31
    return signed(value)


def signed(value: int) -> int:
    """The low 32 bits of a number, read as a signed one."""
    return (value + _SIGN) % _WORD - _SIGN


def draws(like: Tensor, key: Tensor, stream: int) -> Tensor:
    """32 random bits for every element.

    Args:
        like: shape and device.
        key: 0-d int32.
        stream: another number for another tensor under the same key.
    """
    index = torch.arange(like.numel(), dtype=torch.int32, device=like.device).view(like.shape)
    value = (index + key) ^ signed(stream * _STREAM)
    for factor, shift in zip(_MIX, (16, 15), strict=True):
        value = (value ^ _shifted(value, shift)) * factor
    return value ^ _shifted(value, 16)


def nearest(wide: Tensor, dtype: torch.dtype) -> Tensor:
    """Values of `dtype` nearest to `wide`, ties to even, as float32.

    Done on the bits, because a compiler may cancel a conversion down and up again.
    """
    dropped = _DROPPED[dtype]
    bits = wide.view(torch.int32)
    rounded = _without(bits + ((bits >> dropped) & 1) + ((1 << (dropped - 1)) - 1), dropped)
    if dtype == torch.float16:
        rounded = torch.where(wide.abs() < _HALF_NORMAL, (wide / _HALF_SPACING).round() * _HALF_SPACING, rounded)
    return torch.where(wide.isfinite(), rounded, wide)


def by_chance(wide: Tensor, dtype: torch.dtype, key: Tensor, stream: int) -> Tensor:
    """One of the two values of `dtype` around each of `wide`, as float32; equal to it on average.

    Args:
        wide: float32.
        dtype: bfloat16 or float16.
        key: 0-d int32.
        stream: another number for another tensor under the same key.
    """
    dropped = _DROPPED[dtype]
    chance = draws(wide, key, stream) & ((1 << dropped) - 1)
    rounded = _without(wide.view(torch.int32) + chance, dropped)
    if dtype == torch.float16:
        share = chance.to(torch.float32) / (1 << dropped)
        rounded = torch.where(wide.abs() < _HALF_NORMAL, (wide / _HALF_SPACING + share).floor() * _HALF_SPACING, rounded)
    return torch.where(wide.isfinite(), rounded, wide)


def _shifted(value: Tensor, shift: int) -> Tensor:
    """An int32 shifted right with zeros coming in."""
    return (value >> shift) & ((1 << (32 - shift)) - 1)


def _without(bits: Tensor, dropped: int) -> Tensor:
    return (bits & -(1 << dropped)).view(torch.float32)
