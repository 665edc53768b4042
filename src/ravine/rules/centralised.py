"""Gradient centralisation: Yong, Huang, Hua and Zhang (2020), equation 1."""

from typing import Any

from ravine.rules._rule import Citation, Tensors
from ravine.rules._units import centred
from ravine.rules._wrapping import Wrapper


class Centralised(Wrapper):
    """The core with gradients whose mean over each unit is 0.

        g <- g - mean(g)          over all dimensions but the first, for tensors of two or more

    State: none.

    Departures. From the paper and the authors' code: none; a unit is one output of a linear layer or a convolution, in
    torch's layout the first dimension. Weight decay of the core is not centred, as in their code. A transposed
    convolution has its outputs second, an embedding has no outputs; both are centred by their first dimension all the same.

    Example:
        >>> import torch
        >>> from ravine.rules import get
        >>> get("sgd+centralised").rule().gradient(None, torch.tensor([[1.0, 3.0]]), None)
        tensor([[-1.,  1.]])
    """

    name = "centralised"
    citation = Citation("Yong, Huang, Hua, Zhang", 2020, "Gradient centralization: a new optimization technique", "arXiv:2004.01461")
    hypers = ()
    granularity = "tensor"

    def gradient(self, p: Tensors, g: Tensors, c: Any) -> Tensors:
        return centred(g)
