"""How narrow the state of a rule and the weights may be kept: names and sizes, which need no tensor."""

from ravine.rules.registry import get

WEIGHTS = ("plain", "stochastic", "kahan", "master")
"""Ways to keep a weight narrower than its arithmetic."""

BLOCK = 256
"""Elements of a state in 8 bits that share a scale."""
SMALLEST = 4096
"""Tensors with fewer elements stay as they are, for they cost nothing: biases, gains, norms."""

KEPT_WHOLE = frozenset({"adafactor", "lamb", "lars", "muon", "shampoo", "soap"})
"""Rules whose drop-in class keeps state in float32 and weights as they are; they look at whole tensors."""


def is_blockwise(numel: int) -> bool:
    """Whether a tensor of so many elements is kept in 8 bits."""
    return numel >= SMALLEST and numel % BLOCK == 0


def takes_storage(name: str) -> bool:
    """Whether the class of an optimiser can keep state in fewer bits, and narrow weights in other ways than as they are.

    Args:
        name: a registry name, with or without wrappers.

    Raises:
        UnknownNameError: no such optimizer.
    """
    return get(name).rule.name not in KEPT_WHOLE
