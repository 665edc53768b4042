"""Arrays as text inside JSON: base64 of little-endian numbers, so that a curve costs four bytes a point and NaN stays NaN."""

import base64

import numpy as np

SHORT = 1 << 16
"""Whole numbers below it take two bytes."""


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
