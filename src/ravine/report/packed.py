"""Arrays as text inside JSON: base64 of little-endian numbers, so that a curve costs four bytes a point and NaN stays NaN."""

import base64

import numpy as np

SHORT = 1 << 16
"""Whole numbers below it take two bytes."""

PLANES = "~"
"""Begins a text whose numbers stand byte by byte: the first bytes of all, then the second ones, which compresses to two thirds."""

DROPPED = 10
"""Bits that rounding takes from the 23 of a float32's fraction: the error is one part in 16,000 at most, beyond four digits."""


def floats(values: np.ndarray) -> str:
    """Numbers as float32, row by row."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def wholes(values: np.ndarray, *, below: int) -> str:
    """Whole numbers from 0 on, as uint16 where all are below 65,536, else as uint32.

    Args:
        values: the numbers.
        below: what all of them lie below, known to the reader as well.
    """
    kind = "<u2" if below <= SHORT else "<u4"
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def rounded(values: np.ndarray) -> np.ndarray:
    """Float32 to four digits, which compresses well; what is not finite stays, and so does what would become 0 or infinite."""
    own = np.ascontiguousarray(values, dtype="<f4")
    near = ((own.view("<u4").astype(np.uint64) + (1 << (DROPPED - 1))) >> DROPPED << DROPPED).astype("<u4").view("<f4")
    return np.where(np.isfinite(own) & np.isfinite(near) & ((near != 0) | (own == 0)), near, own)


def in_planes(text: str) -> str:
    """What `floats` wrote, rounded and byte by byte."""
    values = rounded(np.frombuffer(base64.b64decode(text), "<f4"))
    return PLANES + base64.b64encode(values.view(np.uint8).reshape(-1, 4).T.tobytes()).decode("ascii")
