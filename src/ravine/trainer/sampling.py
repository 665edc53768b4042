"""From the logits of the next symbol to one that is drawn.

    p = softmax(logits / temperature), then only the k likeliest, then only the likeliest whose sum reaches top_p

References:
    Fan, Lewis and Dauphin (2018), Hierarchical neural story generation, arXiv:1805.04833: the k likeliest. Holtzman et al.
    (2020), The curious case of neural text degeneration, arXiv:1904.09751: those that make up a share.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ravine.base._checks import count, number


@dataclass(frozen=True, slots=True)
class Choice:
    """How a symbol is chosen.

    Attributes:
        temperature: above 0; below 1 likely symbols become likelier, and towards 0 the likeliest certain.
        top_k: only so many of the likeliest; all if None.
        top_p: only the fewest of the likeliest that together have this share, above 0; all if None.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        number("temperature", self.temperature, above=0.0, below=float("inf"), do="For the likeliest symbol each time, use top_k=1.")
        if self.top_k is not None:
            count("top_k", self.top_k, do="For all symbols, leave it out.")
        if self.top_p is not None:
            number("top_p", self.top_p, above=0.0, at_most=1.0, do="Such as 0.9.")


def probabilities(logits: Tensor, choice: Choice) -> Tensor:
    """The probability of every symbol, (V,) in float64, from its logit, (V,); of equal logits, the first counts as the likelier."""
    order = logits.argsort(descending=True, stable=True)
    # From the largest, so that no temperature overflows.
    shares = torch.softmax((logits[order].double() - logits[order[0]].double()) / choice.temperature, 0)
    if choice.top_k is not None:
        shares[choice.top_k :] = 0.0
        shares /= shares.sum()
    # A share of 1 is all, whatever the sum rounds to.
    if choice.top_p is not None and choice.top_p < 1.0:
        shares[shares.cumsum(0) - shares >= choice.top_p] = 0.0
        shares /= shares.sum()
    return torch.zeros_like(shares).scatter_(0, order, shares)


def draw(logits: Tensor, choice: Choice, generator: torch.Generator) -> int:
    """The number of a symbol, drawn by its probability."""
    return int(torch.multinomial(probabilities(logits, choice), 1, generator=generator))
