"""The precompiled kernels' interface as ctypes sees it; `kernels.h` is the other side."""

import ctypes
from typing import Any


def _longs(*names: str) -> list[tuple[str, Any]]:
    return [(name, ctypes.c_long) for name in names]


class Product(ctypes.Structure):
    """A batched matrix product c = a b; strides in elements."""

    _fields_ = [
        *_longs("batch", "m", "n", "k", "a_batch", "a_m", "a_k", "b_batch", "b_k", "b_n", "c_batch", "c_m", "c_n"),
        ("accumulate", ctypes.c_int),
    ]


class Convolution(ctypes.Structure):
    """A two-dimensional convolution of contiguous tensors."""

    _fields_ = _longs(
        "batch", "groups", "in_channels", "out_channels", "in_h", "in_w", "out_h", "out_w", "kernel_h", "kernel_w",
        "stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w",
    )  # fmt: skip


class Pooling(ctypes.Structure):
    """Pooling over windows of contiguous planes."""

    _fields_ = [
        *_longs("planes", "in_h", "in_w", "out_h", "out_w", "kernel_h", "kernel_w"),
        *_longs("stride_h", "stride_w", "pad_h", "pad_w", "dilation_h", "dilation_w"),
        ("count_include_pad", ctypes.c_int),
        ("divisor", ctypes.c_long),
    ]


_SCRATCH = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)


class Kernels(ctypes.Structure):
    """The table of kernels for one element type; only the scratch sizes are asked from Python."""

    _fields_ = [
        ("product_scratch", _SCRATCH),
        ("product", ctypes.c_void_p),
        ("convolution_scratch", _SCRATCH),
        ("convolution", ctypes.c_void_p),
        ("convolution_input", ctypes.c_void_p),
        ("convolution_weight", ctypes.c_void_p),
        ("max_pool", ctypes.c_void_p),
        ("max_pool_input", ctypes.c_void_p),
        ("average_pool", ctypes.c_void_p),
        ("average_pool_input", ctypes.c_void_p),
    ]


class Stream(ctypes.Structure):
    """An input that moves on with every step; `driver.cpp` is the other side of this and the following."""

    _fields_ = [("slot", ctypes.c_long), ("base", ctypes.c_void_p), ("stride", ctypes.c_long)]


class Gather(ctypes.Structure):
    """Rows of a data set that make a batch."""

    _fields_ = [
        ("slot", ctypes.c_long),
        ("base", ctypes.c_void_p),
        ("row", ctypes.c_long),
        ("target", ctypes.c_void_p),
    ]


class Copy(ctypes.Structure):
    """Bytes that are copied when a run ends on the other side."""

    _fields_ = [("target", ctypes.c_void_p), ("source", ctypes.c_void_p), ("bytes", ctypes.c_long)]


_PAIR = ctypes.c_void_p * 2


class Job(ctypes.Structure):
    """Steps of one lane."""

    _fields_ = [
        *_longs("batch", "n", "element"),
        ("gradient", ctypes.c_void_p),
        ("update", ctypes.c_void_p),
        ("gradient_in", _PAIR),
        ("gradient_out", _PAIR),
        ("update_in", _PAIR),
        ("update_out", _PAIR),
        *_longs("num_gathers", "num_gradient_streams", "num_update_streams", "num_copies"),
        ("gathers", ctypes.c_void_p),
        ("gradient_streams", ctypes.c_void_p),
        ("update_streams", ctypes.c_void_p),
        ("copies", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
        ("loss", ctypes.c_void_p),
        ("wrong", ctypes.c_void_p),
        ("losses", ctypes.c_void_p),
        ("finite", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("kernels", ctypes.c_void_p),
    ]


class Update(ctypes.Structure):
    """One update of many tensors; `tensors.cpp` is the other side of this and the following."""

    _fields_ = [
        ("function", ctypes.c_void_p),
        ("count", ctypes.c_long),
        ("sizes", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("kinds", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        *_longs("fields", "element", "piece", "direct"),
        ("kernels", ctypes.c_void_p),
    ]


class Desk(ctypes.Structure):
    """What one thread of an update works in."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("arguments", "outputs", "results", "opened", "wrong", "scratch")]
