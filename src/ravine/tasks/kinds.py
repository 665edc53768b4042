"""What the parameters of a model are for, as far as optimisers care: matrices between layers, lookup tables, heads, the rest."""

from typing import Literal, TypeAlias

from torch import nn

Kind: TypeAlias = Literal["matrix", "lookup", "output", "vector"]
"""A weight between hidden layers; a table of rows; the last layer's weight; anything of fewer than two dimensions."""

LOOKUP_TYPES = (nn.Embedding, nn.EmbeddingBag)
"""Modules whose weight is a table of rows."""

LAYER_TYPES = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
"""Modules the last of which makes the output."""


def parameter_kinds(model: nn.Module) -> dict[str, Kind]:
    """The kind of every parameter by its name.

    The output layer is the last registered layer (`LAYER_TYPES`) whose weight is not a lookup table; a model with one
    layer only has none, for that layer is all that there is to train. A weight that an embedding shares is a table.

    Args:
        model: any module.
    """
    tables = {id(p) for module in model.modules() if isinstance(module, LOOKUP_TYPES) for p in module.parameters(recurse=False)}
    # By their parameters, never as `module.weight`: reading a parametrised weight computes it, and spectral norm then moves on.
    layers = [{id(p) for p in module.parameters() if p.ndim > 1} for module in model.modules() if isinstance(module, LAYER_TYPES)]
    layers = [weights for weights in layers if weights - tables]
    output = layers[-1] if len({frozenset(weights) for weights in layers}) > 1 else frozenset()
    kinds: dict[str, Kind] = {}
    for name, p in model.named_parameters():
        if p.ndim < 2:
            kinds[name] = "vector"
        elif id(p) in tables:
            kinds[name] = "lookup"
        else:
            kinds[name] = "output" if id(p) in output else "matrix"
    return kinds
