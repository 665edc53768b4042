"""Dettmers et al. (2022), arXiv:2110.02861: block-wise 8-bit states by the dynamic tree code, written from section 2."""

import numpy as np

BLOCK = 256


def code(is_signed):
    """The 256 values: a decade of exponents each, the fraction's interval [0.1, 1] cut evenly, finer towards 1."""
    values = [0.0, 1.0]
    for decade in range(7):
        edges = np.linspace(0.1, 1.0, 2 ** (decade + (0 if is_signed else 1)) + 1)
        middles = 10.0 ** (decade - 6) * (edges[:-1] + edges[1:]) / 2
        values += [*middles, *(-middles if is_signed else [])]
    return np.sort(np.array(values))


def kept(values, is_signed):
    """What is left of a block-wise array once it has been through the code."""
    table = code(is_signed)
    blocks = values.reshape(-1, BLOCK)
    scale = np.maximum(np.abs(blocks).max(axis=1, keepdims=True), 1e-37)
    nearest = np.searchsorted((table[:-1] + table[1:]) / 2, blocks / scale)
    return (table[nearest] * scale).reshape(values.shape)
